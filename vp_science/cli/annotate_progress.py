"""Progress of a batch of annotations."""

from vp_science.annotating.results import AnnotateResult
from vp_science.cli.progress import BatchProgress


class AnnotateBars(BatchProgress):
    """Draws what ``annotate`` tells; a context manager."""

    def finish(self, result: AnnotateResult) -> None:  # type: ignore[override]  # another kind of result
        """A recording ended."""
        if result.status == "failed":
            self.say(f"failed  {result.recording_id}: {result.error}")
        elif result.status == "skipped":
            self.say(f"skipped {result.recording_id}: complete already")
        else:
            bouts = sum(total.bouts for total in result.behaviors.values())
            how = "embedded and annotated" if result.action == "embed" else "annotated"
            damage = f", {result.damaged_frames} damaged source frames" if result.damaged_frames else ""
            self.say(f"done    {result.recording_id}: {how} in {result.seconds:.1f} s, {bouts} bouts{damage}")
        self.count(result)
