"""The vocabulary of the tiny text encoder: 1,024 pieces that fit sentences about animals and what they do.

Trained on captions of drawn footage and on the sentences of ``tiny_vocabulary.txt``, as ``canonicalize`` writes them;
bytes stand in for what it has no piece for, so that any text has ids.

    python recipes/tiny_vocabulary.py            # writes vp_science/checkpoints/tiny_vocabulary.model
"""

import argparse
import io
from pathlib import Path

import numpy as np
import sentencepiece

from vp_science.checkpoints.tokenizer import canonicalize
from vp_science.files import write_atomically
from vp_science.samples.synthetic.backgrounds import BACKGROUND_NAMES, fits_table
from vp_science.samples.synthetic.behaviors import PROGRAMS, SOCIAL, shown_table
from vp_science.samples.synthetic.captions import Shown, full_captions
from vp_science.samples.synthetic.looks import CAMERAS, LOOK_NAMES
from vp_science.samples.synthetic.species import SPECIES

HERE = Path(__file__).parent
TARGET = HERE.parent / "vp_science" / "checkpoints" / "tiny_vocabulary.model"
PIECES = 1024
CAPTIONS = 3000
SHOWN, FITS = shown_table(), fits_table()


def sentences() -> list[str]:
    """The corpus, in order: captions of clips that nobody drew, and written sentences, each several times."""
    written = [line for line in (HERE / "tiny_vocabulary.txt").read_text("utf-8").splitlines() if line.strip()]
    rng = np.random.default_rng(0)
    captions = [text for _ in range(CAPTIONS // 3) for text in full_captions(any_clip(rng), rng, directions=True)]
    return [canonicalize(text) for text in [*written * 3, *captions]]


def any_clip(rng: np.random.Generator) -> Shown:
    """What a clip could show, drawn evenly."""
    shown, fits = SHOWN, FITS
    single = np.array([entry.name not in SOCIAL for entry in PROGRAMS])
    behavior = int(rng.integers(len(PROGRAMS)))
    row = int(rng.choice(np.flatnonzero(shown[behavior])))
    kind = SPECIES[row]
    changes = single[behavior] and rng.random() < 0.2
    then = int(rng.choice(np.flatnonzero(shown[:, row] & single))) if changes else behavior
    return Shown(
        species=kind.name, view=kind.view, behavior=PROGRAMS[behavior].name, then=PROGRAMS[then].name,
        color=str(rng.choice(kind.colors)), pattern=str(rng.choice(kind.patterns)),
        background=BACKGROUND_NAMES[rng.choice(np.flatnonzero(fits[row]))], look=str(rng.choice(LOOK_NAMES)),
        camera=str(rng.choice(CAMERAS)), animals=2 if not single[behavior] or rng.random() < 0.3 else 1,
        length=float(rng.uniform(0.1, 0.4)), facing=int(rng.integers(-1, 2)), change=0.5 if changes else 1.0, kind=kind,
    )  # fmt: skip


def train(lines: list[str]) -> bytes:
    """A SentencePiece model (byte-pair encoding); the same lines give the same bytes."""
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=out,
        model_type="bpe",
        vocab_size=PIECES,
        byte_fallback=True,
        character_coverage=1.0,
        normalization_rule_name="identity",  # texts come in lower case; tables of Unicode would take 240 KB
        hard_vocab_limit=True,
        num_threads=1,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    return out.getvalue()


def main() -> None:
    """Write the model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=TARGET)
    out = parser.parse_args().out
    content = train(sentences())
    write_atomically(out, lambda file: file.write(content))
    print(f"{out}: {PIECES} pieces, {len(content):,} bytes")


if __name__ == "__main__":
    main()
