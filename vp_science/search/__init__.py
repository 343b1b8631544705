"""Search in embeddings: where else does this happen?"""
