"""Sentences to the ids that the text encoder reads: SentencePiece ``c4_en``, as the official code uses it."""

import string
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int32

from vp_science.checkpoints.fetch import fetch_file
from vp_science.checkpoints.registry import TOKENIZER
from vp_science.errors import CheckpointError, SettingsError
from vp_science.typing import StrPath

MAX_PIECES = 64
"""Length of a sentence in pieces (official ``TEXT_MAX_LEN``)."""

TINY_VOCABULARY = Path(__file__).parent / "tiny_vocabulary.model"
"""The vocabulary of our small text tower: 1,024 pieces, made of sentences about animals; it ships with the package."""

_TINY_PIECES = 1024
_MAX_BYTES = 64 << 20
_SPACES = str.maketrans(dict.fromkeys(string.punctuation, " "))


class TextWarning(UserWarning):
    """A text that the encoder does not read as it stands."""


def canonicalize(text: str) -> str:
    """A sentence as the model was trained on them: no ASCII punctuation, lower case, single spaces, a full stop."""
    return " ".join(text.translate(_SPACES).lower().split()) + "."


class Tokenizer:
    """A SentencePiece model; made by ``load_tokenizer``.

    Attributes:
        path: the file.
        size: number of pieces; ids are below it.
    """

    def __init__(self, processor: Any, path: Path) -> None:
        """Use ``load_tokenizer``."""
        self._processor = processor
        self.path = path
        self.size = int(processor.get_piece_size())

    def __call__(
        self, texts: Sequence[str], *, max_length: int = MAX_PIECES, canonical: bool = True
    ) -> tuple[Int32[np.ndarray, "text length"], Bool[np.ndarray, "text length"]]:
        """Ids of the pieces of every text, padded with 0, and where they are real.

        A begin mark is put first if the model has one (c4_en has none); an end mark never is. Longer texts are cut
        with a warning.

        Args:
            texts: sentences.
            max_length: pieces per text.
            canonical: change texts as ``canonicalize`` does, like the texts of the training.

        Raises:
            SettingsError: when there is no text, or a text is no text.
        """
        if isinstance(texts, str) or not len(texts) or not all(isinstance(text, str) for text in texts):
            raise SettingsError(f"texts: expected a list of at least one sentence, found {texts!r}")
        ids = np.zeros((len(texts), max_length), np.int32)
        valid = np.zeros((len(texts), max_length), bool)
        first = [self._processor.bos_id()] if self._processor.bos_id() >= 0 else []
        for row, text in enumerate(texts):
            pieces = first + self._processor.encode(canonicalize(text) if canonical else text, out_type=int)
            if len(pieces) > max_length:
                warnings.warn(
                    f"a text has {len(pieces)} pieces, and the model reads {max_length}: the rest of "
                    f'"{text[:40]}..." is not read; make it shorter',
                    TextWarning,
                    stacklevel=2,
                )
            kept = pieces[:max_length]
            ids[row, : len(kept)] = kept
            valid[row, : len(kept)] = True
        return ids, valid


def default_tokenizer(vocabulary_size: int, *, offline: bool = False) -> Tokenizer:
    """The tokenizer that belongs to a text encoder with this many pieces: ``c4_en``, or the one that ships with us.

    Raises:
        CheckpointError: when it cannot be had.
    """
    return load_tokenizer(TINY_VOCABULARY if vocabulary_size == _TINY_PIECES else None, offline=offline)


def load_tokenizer(path: StrPath | None = None, *, offline: bool = False) -> Tokenizer:
    """The tokenizer of the released text encoders, fetched like weights; or another one.

    Args:
        path: a SentencePiece model file; None takes ``c4_en``, pinned and checked, downloading it when needed.
        offline: never download.

    Raises:
        CheckpointError: when it cannot be had, or the file is no SentencePiece model.
    """
    from sentencepiece import SentencePieceProcessor

    where = Path(path) if path is not None else fetch_file(TOKENIZER, offline=offline)
    try:
        size = where.stat().st_size
        if size > _MAX_BYTES:
            raise CheckpointError(
                f"{where}: expected a SentencePiece model of at most {_MAX_BYTES >> 20} MiB, found {size >> 20} MiB: "
                "give the file of the tokenizer, not that of the weights"
            )
        processor = SentencePieceProcessor()
        # The content and not the name: the library would say nothing about a folder.
        processor.load_from_serialized_proto(where.read_bytes())
    except OSError as error:
        raise CheckpointError(f"cannot read the tokenizer {where} ({error.strerror}): check the name") from error
    except (RuntimeError, ValueError) as error:
        raise CheckpointError(
            f"{where}: expected a SentencePiece model, found something else ({error}): give the file of the tokenizer"
        ) from error
    return Tokenizer(processor, where)
