"""A SentencePiece model made on the spot, with the special ids of c4_en: pad 0, eos 1, unk 2, no bos."""

import io
from pathlib import Path

SENTENCES = [
    "a mouse grooming.",
    "a mouse rearing against the wall.",
    "a fly extends one wing.",
    "two flies walk.",
    "a worm crawls backwards.",
    "a zebrafish turns.",
] * 3


def make_tokenizer(path: Path, size: int = 36, **options: int) -> Path:
    """Train on a few sentences; the same file every time."""
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_writer=model,
        vocab_size=size,
        minloglevel=2,
        num_threads=1,
        **({"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1} | options),
    )
    path.write_bytes(model.getvalue())
    return path
