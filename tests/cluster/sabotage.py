"""What happens to workers in these tests; imported by the workers themselves."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin


class Sabotage(WorkerPlugin):
    """Notes every segment that is written, and does what files in a folder say.

    ``kill-NAME`` kills every worker that wrote a segment of a recording, ``kill-once-NAME`` the first one that has
    written the second segment; ``hold-NAME`` keeps a recording at its second segment.
    """

    name = "sabotage"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def setup(self, worker: Any) -> None:
        from vp_science.store.writer import EmbeddingWriter

        original, folder = EmbeddingWriter.write_segment, self.folder

        def write_segment(self: EmbeddingWriter, index: int, *rows: Any) -> None:
            original(self, index, *rows)
            name = self.final_path.name.split(".")[0]
            with (folder / f"segments-{name}").open("a") as log:
                log.write(f"{index} {os.getpid()}\n")
            while index == 1 and (folder / f"hold-{name}").exists():
                time.sleep(0.05)
            once = folder / f"kill-once-{name}"
            if index == 1 and once.exists():
                once.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
            if (folder / f"kill-{name}").exists():
                os.kill(os.getpid(), signal.SIGKILL)

        EmbeddingWriter.write_segment = write_segment  # type: ignore[method-assign]
