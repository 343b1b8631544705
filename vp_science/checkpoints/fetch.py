"""Released weights from the hub: pinned, resumable, cached, checked; or a message that says how to get them.

Two places are looked at before the network: the weights folder, into which a user without network drops a file
(``$VP_SCIENCE_WEIGHTS``, else ``<user cache>/vp-science/weights``), and the hub's own cache.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vp_science.checkpoints.registry import Download, ModelSpec, WeightsFile
from vp_science.errors import CheckpointError
from vp_science.typing import StrPath

WEIGHTS_VARIABLE = "VP_SCIENCE_WEIGHTS"

OnBytes = Callable[[int, int], None]
"""Is told how many bytes have come, and of how many (0: unknown)."""


def fetch_weights(
    spec: ModelSpec, *, cache_dir: StrPath | None = None, offline: bool = False, on_bytes: OnBytes | None = None
) -> Path:
    """The released weights of a model, downloaded unless they are here already or came with the package.

    Args:
        spec: the model.
        cache_dir: the hub's cache, None for its default (``HF_HOME``).
        offline: never use the network; so does the environment variable ``HF_HUB_OFFLINE=1``.
        on_bytes: is told how far a download is.

    Returns:
        The file. Its sha256 has been compared where one is known.

    Raises:
        CheckpointError: there are no such weights, or they cannot be reached (naming the exact file and where to put
            it), or the file is not the one that was released.
    """
    if spec.bundled_path is not None:
        return spec.bundled_path
    if spec.download is None:
        raise CheckpointError(f"{spec.name}: expected released weights, found none for this model: pass weights=PATH")
    return fetch_file(spec.download, cache_dir=cache_dir, offline=offline, on_bytes=on_bytes)


def fetch_file(
    wanted: Download, *, cache_dir: StrPath | None = None, offline: bool = False, on_bytes: OnBytes | None = None
) -> Path:
    """A file of the hub, downloaded unless it is here already; see ``fetch_weights``.

    Raises:
        CheckpointError: it cannot be reached, or is not the one that was released.
    """
    cached = find_cached(wanted, cache_dir=cache_dir)
    if cached is not None:
        return _check_file(cached, wanted)
    if offline:
        raise CheckpointError(_explain(wanted, "downloads are switched off (offline)"))
    return _check_file(_download(wanted, cache_dir, on_bytes), wanted)


def is_cached(spec: ModelSpec, *, cache_dir: StrPath | None = None) -> Path | None:
    """The weights of a model if they are on this machine, without using the network; their content is not checked.

    Raises:
        CheckpointError: ``$VP_SCIENCE_WEIGHTS`` is set and is no folder.
    """
    if spec.bundled_path is not None:
        return spec.bundled_path
    return None if spec.download is None else find_cached(spec.download, cache_dir=cache_dir)


def find_cached(wanted: Download, *, cache_dir: StrPath | None = None) -> Path | None:
    """A file of the hub if it is on this machine, without using the network; its content is not checked.

    Raises:
        CheckpointError: ``$VP_SCIENCE_WEIGHTS`` is set and is no folder.
    """
    for folder in weights_folders():
        for file in wanted.files:
            if (folder / file.local_name).is_file():
                return folder / file.local_name
    from huggingface_hub import try_to_load_from_cache

    for file in wanted.files:
        found = try_to_load_from_cache(wanted.repo, file.name, cache_dir=_folder(cache_dir), revision=wanted.revision)
        if isinstance(found, str):
            return Path(found)
    return None


def weights_folders() -> list[Path]:
    """Folders in which dropped-in weights are looked for, first to last.

    Raises:
        CheckpointError: ``$VP_SCIENCE_WEIGHTS`` is set and is no folder.
    """
    folders = [_user_cache() / "vp-science" / "weights"]
    if asked := os.environ.get(WEIGHTS_VARIABLE):
        if not Path(asked).is_dir():
            raise CheckpointError(f"${WEIGHTS_VARIABLE}: expected a folder, found {asked}: create it or unset it")
        folders.insert(0, Path(asked))
    return folders


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _folder(cache_dir: StrPath | None) -> str | None:
    return None if cache_dir is None else os.fspath(cache_dir)


def _download(wanted: Download, cache_dir: StrPath | None, on_bytes: OnBytes | None) -> Path:
    """The first of the files that exists at the pinned revision."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError

    absent = []
    where: dict[str, Any] = {"revision": wanted.revision, "cache_dir": _folder(cache_dir)}
    if on_bytes is not None:
        where["tqdm_class"] = _bar_that_tells(on_bytes)
    for file in wanted.files:
        try:
            return Path(hf_hub_download(wanted.repo, file.name, **where))
        except RemoteEntryNotFoundError:
            absent.append(file.name)
        except LocalEntryNotFoundError as error:
            reason = str(error.__cause__ or error)
            raise CheckpointError(_explain(wanted, f"the hub cannot be reached ({reason})")) from error
        except Exception as error:
            # Whatever the transport raises (its library has changed before), the way out is the same for the user.
            raise CheckpointError(_explain(wanted, f"the download failed ({type(error).__name__}: {error})")) from error
    raise CheckpointError(_explain(wanted, f"the hub has no {' and no '.join(absent)} at this revision"))


def _bar_that_tells(on_bytes: OnBytes) -> type[Any]:
    """A progress bar as the hub's library wants one, which tells instead of drawing."""
    from huggingface_hub.utils.tqdm import tqdm

    base: Any = tqdm  # typed or not, as the packages beside it will have it

    class Bar(base):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            self._come, self._of = int(options.get("initial") or 0), int(options.get("total") or 0)
            super().__init__(*args, **(options | {"disable": True}))  # nothing is drawn

        def update(self, n: int | float | None = 1) -> None:
            self._come += int(n or 0)
            on_bytes(self._come, self._of)

    return Bar


def _explain(wanted: Download, reason: str) -> str:
    from huggingface_hub import hf_hub_url

    file = wanted.files[0]
    url = hf_hub_url(wanted.repo, file.name, revision=wanted.revision)
    return (
        f"{wanted.name}: expected the {wanted.what} file {file.name} of {wanted.repo} at revision {wanted.revision}, "
        f"found none on this machine, and {reason}; on a machine with network run: vp-science fetch {wanted.name}; or "
        f"download {url} and put it at {weights_folders()[0] / file.local_name}, or name it with {wanted.option}"
    )


def _check_file(path: Path, wanted: Download) -> Path:
    """Refuse a file that is not the released one, as far as that is known."""
    file = _file_of(path, wanted)
    size = path.stat().st_size
    if file.size_bytes is not None and size != file.size_bytes:
        raise CheckpointError(f"{path}: expected {file.size_bytes} bytes, found {size}: delete it and fetch it again")
    if size < wanted.least_bytes:
        raise CheckpointError(
            f"{path}: expected at least {wanted.least_bytes} bytes for the {wanted.what} of {wanted.name}, found "
            f"{size}: delete it and fetch it again"
        )
    if file.sha256 is not None:
        from vp_science.files import hash_file

        found = hash_file(path)
        if found != file.sha256:
            raise CheckpointError(
                f"{path}: expected sha256 {file.sha256}, found {found}: this is not the released file; delete it and "
                f"fetch it again, or name it with {wanted.option} if you mean to use it"
            )
    return path


def _file_of(path: Path, wanted: Download) -> WeightsFile:
    for file in wanted.files:
        if path.name in {file.name, file.local_name}:
            return file
    raise AssertionError(f"{path} is no file of {wanted.name}")
