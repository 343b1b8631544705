"""What a benchmark found, beside what was published: as JSON and as a page."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vp_science.bench.protocol import METRICS, ClipSettings, Protocol, Split
from vp_science.bench.scores import Score
from vp_science.files import write_atomically
from vp_science.typing import StrPath


@dataclass(frozen=True)
class Counts:
    """What a split holds.

    Attributes:
        recordings: number of recordings.
        frames: labelled frames (of all animals, where boxes are given).
        positive: frames that show each behavior.
    """

    recordings: int
    frames: int
    positive: Mapping[str, int]


@dataclass(frozen=True)
class BenchReport:
    """The result of one benchmark.

    Attributes:
        protocol: what was followed.
        view: which camera, "" where there is one.
        score: our number, per behavior, and chance.
        counts: per split.
        deviations: why our number cannot be compared with the published ones; empty when it can, as far as the
            protocol is known.
        notes: what else a reader should know.
        model: the encoder.
        checkpoint: identity of its weights.
        untrained: whether they were random numbers.
        seed: of the head.
        head: parameters of the probe.
        clip: what the encoder saw.
        preprocess: how frames were cut and resized.
        training: what the probe says about its training.
        seconds: wall time by step.
    """

    protocol: Protocol
    view: str
    score: Score
    counts: Mapping[Split, Counts]
    deviations: tuple[str, ...]
    notes: tuple[str, ...]
    model: str
    checkpoint: str
    untrained: bool
    seed: int
    head: Mapping[str, Any]
    clip: ClipSettings
    preprocess: Mapping[str, Any]
    training: Mapping[str, Any]
    seconds: Mapping[str, float]

    @property
    def comparable(self) -> bool:
        """Whether the split, the recordings and all settings are those of the protocol, with trained weights."""
        return not self.deviations and not self.untrained

    @property
    def ours(self) -> str:
        """Name of our row."""
        weights = "UNTRAINED: random weights, a test of the machinery" if self.untrained else "trained weights"
        return f"vp_science {self.model}, frozen, {self.head['head']} head ({weights})"

    def rows(self) -> list[tuple[str, float, str]]:
        """The table: method, value in percent, source; ours and chance last."""
        rows = [(row.method, row.value, row.source) for row in self.protocol.published]
        mark = "this run" if self.comparable else "this run, NOT comparable"
        return [*rows, (self.ours, self.score.value, mark), ("the same scores everywhere", self.score.chance, "chance")]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "benchmark": self.protocol.name,
            "dataset": self.protocol.title,
            "metric": self.protocol.metric,
            "view": self.view,
            "value": self.score.value,
            "per_behavior": self.score.per_behavior,
            "chance": self.score.chance,
            "comparable": self.comparable,
            "deviations": list(self.deviations),
            "differs": list(self.protocol.differs),
            "notes": list(self.notes),
            "published": [asdict(row) for row in self.protocol.published],
            "model": self.model,
            "checkpoint": self.checkpoint,
            "untrained": self.untrained,
            "seed": self.seed,
            "head": dict(self.head),
            "clip": asdict(self.clip),
            "preprocess": dict(self.preprocess),
            "training": dict(self.training),
            "counts": {split: asdict(counts) for split, counts in self.counts.items()},
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
        }

    def to_markdown(self) -> str:
        """As a page for people."""
        protocol = self.protocol
        title = f"{protocol.title}, {self.view} view" if self.view else protocol.title
        lines = [f"# {title}: {protocol.metric} {self.score.value:.1f} %", ""]
        if self.untrained:
            lines += [
                "**The encoder is untrained (random weights): this number tests the machinery and nothing else.**",
                "",
            ]
        if self.deviations:
            lines += [
                "**NOT comparable with the published numbers:**",
                "",
                *(f"- {why}" for why in self.deviations),
                "",
            ]
        lines += ["| method | " + protocol.metric + " (%) | source |", "| --- | ---: | --- |"]
        lines += [f"| {method} | {value:.1f} | {source} |" for method, value, source in self.rows()]
        lines += ["", f"{protocol.metric}: {METRICS[protocol.metric]}.", "", *self._behaviors(), "", *self._about()]
        return "\n".join(lines) + "\n"

    def _behaviors(self) -> list[str]:
        lines = ["| behavior | value (%) | training frames | test frames |", "| --- | ---: | ---: | ---: |"]
        for name, value in self.score.per_behavior.items():
            shown = "no test example" if value is None else f"{value:.1f}"
            train, test = (self.counts[split].positive[name] for split in ("train", "test"))
            lines.append(f"| {name} | {shown} | {train} | {test} |")
        parts = [f"{split} {c.frames} (recordings: {c.recordings})" for split, c in self.counts.items()]
        return [*lines, "", "Labelled frames: " + ", ".join(parts) + "."]

    def _about(self) -> list[str]:
        protocol = self.protocol
        took = ", ".join(f"{name} {value:.0f} s" for name, value in self.seconds.items())
        return [
            "## How",
            "",
            f"Encoder {self.model} ({self.checkpoint}); seed {self.seed}; {took}.",
            f"Split: {protocol.split_source}.",
            f"Clips: {_settings(asdict(self.clip))}. Head: {_settings(self.head)}.",
            *(f"Note: {note}." for note in self.notes),
            "",
            "As published:",
            "",
            *(f"- {text}" for text in protocol.as_published),
            "",
            "Not as published:",
            "",
            *(f"- {text}" for text in protocol.differs),
            "",
            f"Data: {protocol.citation}; {protocol.licence}; {protocol.url}.",
        ]

    def save(self, folder: StrPath) -> None:
        """Write ``report.json`` and ``report.md``."""
        where = Path(folder)
        where.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.to_json(), indent=2, ensure_ascii=False, default=str) + "\n"
        write_atomically(where / "report.json", lambda file: file.write(text.encode()))
        write_atomically(where / "report.md", lambda file: file.write(self.to_markdown().encode()))


def _settings(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items() if value is not None)
