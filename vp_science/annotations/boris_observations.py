"""What an observation of BORIS stands for: which recordings, on which clock, scored by whom.

An observation plays one media file, or several one after the other (player 1; further players show other views of the
same scene). Its clock starts with the first file, plus a time offset that the observer may have set. A recording of
ours is one file on its own clock, so times are shifted, and bouts that run over the end of a file are cut there.

A recording is named after its media file; files of one name in different folders get as much of their folder as tells
them apart. Observations without media (live ones) are named by the observation id, and so are observations of several
files whose lengths the export does not say.

``<recording> [<source>]`` as the id of an observation says who scored it. We write such ids for everything that is not
plain ``manual:``, and people may: "mouse1 [curated:anna]".
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.names import match_names

NO_FOCAL_SUBJECT = "No focal subject"
NOT_AVAILABLE = "NA"
_TAGGED = re.compile(r"(?P<recording>.+) \[(?P<source>(?:manual|model|curated):[^\[\]]*)\](?: \(\d+\))?", re.DOTALL)
_SLIVER_S = 0.002


@dataclass(frozen=True)
class Medium:
    """One media file.

    Attributes:
        path: as BORIS has it.
        length_s: duration in seconds, None when it is not known.
    """

    path: str
    length_s: float | None = None


@dataclass(frozen=True)
class Observation:
    """One observation.

    Attributes:
        id: as people named it.
        media: files of player 1, in the order in which they are played.
        recordings: one id per medium; a single one when the observation cannot be told apart into media.
        offset_s: what BORIS added to all times.
    """

    id: str
    media: tuple[Medium, ...]
    recordings: tuple[str, ...]
    offset_s: float = 0.0

    def place(self, start_s: float, stop_s: float) -> list[tuple[str, float, float]]:
        """Recording, start and stop on its clock, for every file that a bout (or point event) lies in."""
        start_s, stop_s = start_s - self.offset_s, stop_s - self.offset_s
        if len(self.recordings) == 1:
            return [(self.recordings[0], start_s, stop_s)]
        pieces, begin, last = [], 0.0, len(self.media) - 1
        for index, (medium, name) in enumerate(zip(self.media, self.recordings, strict=True)):
            end = begin + (medium.length_s or 0.0)
            first = start_s if index == 0 else max(start_s, begin)
            stop = stop_s if index == last else min(stop_s, end)
            here = (begin <= start_s or index == 0) and (start_s < end or index == last)
            if stop > first or (start_s == stop_s and here):
                pieces.append((name, first - begin, stop - begin))
            begin = end
        # Lengths are rounded to milliseconds: what hangs over by less is not a bout of the next file.
        kept = [piece for piece in pieces if piece[2] - piece[1] >= _SLIVER_S]
        return kept or pieces[:1]

    def observed(self, interval_s: tuple[float, float | None] = (0.0, None)) -> list[tuple[str, float, float]]:
        """What of each recording was scored, as far as the lengths of the media are known.

        Args:
            interval_s: start and stop on the clock of the media (without the time offset); stop None is the end.
        """
        spans, begin = [], 0.0
        for medium, name in zip(self.media, self.recordings, strict=False):
            if len(self.recordings) < len(self.media):
                break
            low, high = interval_s[0] - begin, None if interval_s[1] is None else interval_s[1] - begin
            length = medium.length_s if medium.length_s is not None else high
            if length is not None:
                first, stop = max(low, 0.0), length if high is None else min(high, length)
                if stop > first:
                    spans.append((name, first, stop))
            begin += medium.length_s or 0.0
        return spans


def make_observation(
    id: str, media: Iterable[Medium], names: Mapping[str, str], offset_s: int | float = 0.0
) -> Observation:
    """An observation, with the names that its media have.

    Args:
        id: the observation id.
        media: files of player 1 in order.
        names: recording id by media path (``recording_ids``).
        offset_s: the time offset.
    """
    queue = tuple(media)
    ids = tuple(names[medium.path] for medium in queue)
    named, depth = split_id(id)[0], split_id(id)[0].count("/") + 1
    if len(queue) == 1 and _stem(_parts(queue[0].path)[-depth:]) == named:
        ids = (named,)  # the observation names the file with more of its folders
    apart = len(set(ids)) == len(ids) and all(medium.length_s for medium in queue[:-1])
    return Observation(id, queue, ids if ids and apart else (split_id(id)[0],), float(offset_s))


def medium_path(recording: str, media: Mapping[str, str]) -> str:
    """What we write as the media file of a recording; its name gives the recording id back."""
    [name] = match_names(list(media), [recording])
    if name:
        return media[name]
    return f"{recording}.video" if PurePosixPath(recording).suffix else recording


def recording_ids(paths: Iterable[str]) -> dict[str, str]:
    """Recording ids of media paths: the file name without its ending, with folders where names are not unique."""
    parts = {path: _parts(path) for path in paths}
    ids: dict[str, str] = {}
    for path, mine in parts.items():
        others = [other for other in parts.values() if not _same_file(mine, other)]
        ids[path] = _shortest(mine, others)
    return ids


def _parts(path: str) -> tuple[str, ...]:
    text = (
        path.strip().replace("\\", "/") if re.match(r"[A-Za-z]:[\\/]|\\\\", path) or "/" not in path else path.strip()
    )
    return tuple(part for part in text.split("/") if part not in ("", ".")) or (path,)


def _same_file(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether one path is the end of the other: a project that was moved has such paths."""
    length = min(len(one), len(other))
    return one[-length:] == other[-length:]


def _shortest(mine: tuple[str, ...], others: list[tuple[str, ...]]) -> str:
    for depth in range(1, len(mine) + 1):
        name = _stem(mine[-depth:])
        if all(_stem(other[-depth:]) != name for other in others):
            return name
    return mine[-1]  # they differ in the ending only


def _stem(parts: tuple[str, ...]) -> str:
    return "/".join((*parts[:-1], PurePosixPath(parts[-1]).stem or parts[-1]))


def split_id(text: str) -> tuple[str, str]:
    """Recording and source that an observation id names; the source is "" when the id names none."""
    match = _TAGGED.fullmatch(text)
    return (match["recording"], match["source"]) if match else (text, "")


def tagged_id(recording: str, source: str, taken: Iterable[str] = ()) -> str:
    """Observation id for what one source says about a recording, different from those that are taken."""
    if any(letter in source for letter in "[]"):
        raise AnnotationError(f"expected sources without brackets for BORIS, found {source!r}: rename it")
    plain = recording if source == "manual:" and not split_id(recording)[1] else f"{recording} [{source}]"
    used, name, number = set(taken), plain, 2
    while name in used:
        name, number = f"{plain if plain != recording else f'{recording} [{source}]'} ({number})", number + 1
    return name


def manual_sources(scored: Iterable[tuple[str, str]], annotator: str) -> dict[str, str]:
    """Source of every observation whose id names none.

    Two observations of one recording are two opinions: they stay apart under their observation ids.

    Args:
        scored: pairs of observation id and recording.
        annotator: who scored, if the user said it.
    """
    pairs = {pair for pair in scored if not split_id(pair[0])[1]}
    count = Counter(recording for _, recording in pairs)
    several = {id for id, recording in pairs if count[recording] > 1}
    return {id: f"manual:{annotator or (id if id in several else '')}" for id, _ in pairs}


def refuse_targets(annotations: Annotations, what: str) -> None:
    """BORIS has subjects but no targets.

    Raises:
        AnnotationError: when a bout has a target.
    """
    targets = annotations.bouts["target"]
    if (targets != "").any():
        row = annotations.bouts[targets != ""].iloc[0]
        raise AnnotationError(
            f"{what}: expected bouts without target, because BORIS has none, found {row['behavior']!r} towards "
            f"{row['target']!r} at {row['start_s']:.3f} s of {row['recording']!r}: remove the targets "
            "(vp-science labels convert --drop target), or write another format"
        )
