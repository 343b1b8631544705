"""Decoding ahead in a thread, so that reading and encoding overlap."""

import queue
import threading
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

_POLL_S = 0.05


@dataclass(frozen=True)
class _Failure:
    error: BaseException


class _End:
    pass


def prefetch(items: Iterable[T], depth: int = 32) -> Generator[T, None, None]:
    """Iterate in a background thread, at most ``depth`` items ahead of the consumer.

    The thread starts with the first item asked for, and is gone when the generator is exhausted, closed or dropped; the
    source is closed in that thread, so a recording's decoder never changes threads in the middle. An exception of the
    source is raised here, at the place in the stream where it occurred.

    Args:
        items: any iterable, for example ``recording.decode(...)``.
        depth: how many items may wait; bounds the memory.

    Raises:
        ValueError: when ``depth`` is below 1.
    """
    if depth < 1:
        raise ValueError(f"expected a depth of at least 1, found {depth}")
    return _prefetched(items, depth)


def started(items: Generator[T, None, None]) -> Generator[T, None, None]:
    """The same generator, with its first item (and what it takes to get it) already under way.

    An exception that the first item meets is raised when that item is asked for. Closing the result closes the source,
    also before anything was asked for.
    """
    # A generator that was never asked runs no finally when it is closed: it must stand inside its try block.
    running = _started(items)
    next(running)
    return running  # type: ignore[return-value]


def _started(items: Generator[T, None, None]) -> Generator[T | None, None, None]:
    try:
        first: T | _Failure | _End
        try:
            first = next(items)
        except StopIteration:
            first = _End()
        except Exception as error:
            first = _Failure(error)
        yield None
        if isinstance(first, _Failure):
            raise first.error
        if not isinstance(first, _End):
            yield first
            yield from items
    finally:
        items.close()


def _prefetched(items: Iterable[T], depth: int) -> Generator[T, None, None]:
    waiting: queue.Queue[T | _Failure | _End] = queue.Queue(depth)
    stop = threading.Event()
    thread = threading.Thread(target=_produce, args=(items, waiting, stop), name="vp_science-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item = waiting.get()
            if isinstance(item, _End):
                return
            if isinstance(item, _Failure):
                raise item.error
            yield item
    finally:
        stop.set()
        thread.join()


def _produce(items: Iterable[T], waiting: "queue.Queue[T | _Failure | _End]", stop: threading.Event) -> None:
    try:
        source = iter(items)
        try:
            for item in source:
                if not _put(waiting, item, stop):
                    return
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()
        _put(waiting, _End(), stop)
    except BaseException as error:
        _put(waiting, _Failure(error), stop)


def _put(waiting: "queue.Queue[T | _Failure | _End]", item: T | _Failure | _End, stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            waiting.put(item, timeout=_POLL_S)
        except queue.Full:
            continue
        return True
    return False
