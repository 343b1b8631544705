"""From settings to batches."""

from collections.abc import Sequence

from vp_science.train.data.clips import ClipReader
from vp_science.train.data.describe import describe_footage
from vp_science.train.data.elements import Elements
from vp_science.train.data.footage import SurveyedFootage, survey_footage
from vp_science.train.data.listing import make_listing
from vp_science.train.data.request import BatchRequest as BatchRequest
from vp_science.train.data.schedule import Schedule
from vp_science.train.data.settings import SYNTHETIC
from vp_science.train.data.stream import ClipStream
from vp_science.train.data.survey import Watch
from vp_science.train.data.synthetic_source import SyntheticSource
from vp_science.typing import JSON


def open_batches(request: BatchRequest, *, watch: Watch | None = None) -> ClipStream:
    """Batches for training, without an end.

    Every recording is opened once first, so that what cannot be read is said now and not in the night. Worker processes
    are new Python processes: a script that calls this needs ``if __name__ == "__main__":``.

    Args:
        request: everything that determines the batches.
        watch: is told how many recordings of a data set were checked, and of how many.

    Raises:
        SettingsError: when the request contradicts itself.
        VPScienceError: when recordings, captions, labels or poses cannot be read, or do not fit each other.
        MissingExtraError: when grain is not installed (extra ``train``).
    """
    request.check()
    return _stream(_survey(request, watch), request)


def describe_data(request: BatchRequest, *, watch: Watch | None = None) -> dict[str, JSON]:
    """What the data sets are: recordings, hours, clips, behaviors and their shares.

    Args:
        request: as for :func:`open_batches`.
        watch: as there.

    Raises:
        VPScienceError: as :func:`open_batches`.
    """
    request.check()
    return _described(_survey(request, watch), request)


def _survey(request: BatchRequest, watch: Watch | None) -> list[SurveyedFootage | None]:
    return [None if data.path == SYNTHETIC else survey_footage(data, request, watch) for data in request.data]


def _described(found: Sequence[SurveyedFootage | None], request: BatchRequest) -> dict[str, JSON]:
    total = sum(data.weight for data in request.data)
    sets: list[JSON] = []
    for data, one in zip(request.data, found, strict=True):
        facts = {"path": data.path} if one is None else describe_footage(one, request)
        sets.append(facts | {"share_of_batches": data.weight / total})
    return {"data": sets}


def _stream(found: Sequence[SurveyedFootage | None], request: BatchRequest) -> ClipStream:
    readers = tuple(
        None if one is None else ClipReader(one.footage, number, request.clips, request.augment, request.seed)
        for number, one in enumerate(found)
    )
    schedule = Schedule.of([data.weight for data in request.data])
    elements = Elements(schedule, readers, request.batch_size, request.host, request.seed, request.augment.mixup)
    listings = [
        make_listing({"settings": str(SyntheticSource(number, request).settings())} if one is None else one.listing)
        for number, one in enumerate(found)
    ]
    return ClipStream(elements, request, listings, _described(found, request))
