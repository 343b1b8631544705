"""Maps of embeddings: what is in these recordings, and which moments are alike."""
