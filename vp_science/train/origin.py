"""What a training starts from, before any weights are read: a name, a file or a folder, and the hash of its weights."""

from dataclasses import dataclass

from vp_science.checkpoints.fetch import fetch_weights
from vp_science.checkpoints.model_folder import find_model_folder, read_model_folder
from vp_science.checkpoints.registry import find_model, is_model_name
from vp_science.encoder.config import EncoderConfig
from vp_science.encoder.family import VideoModel
from vp_science.errors import CheckpointError, SettingsError
from vp_science.files import hash_file


@dataclass(frozen=True)
class Origin:
    """A model that a training starts from, before its weights are read.

    Attributes:
        given: by the user: a name, a file, a folder.
        name: of the model or the file.
        checkpoint: ``sha256:...`` of the weights, or the seed that defines them.
        config: its sizes; None for a file, which says nothing of them.
    """

    given: str
    name: str
    checkpoint: str
    config: EncoderConfig | None

    def check(self, model: VideoModel) -> None:
        """Refuse weights that are not those of when the training was set up.

        Raises:
            CheckpointError: when they are others.
        """
        if not model.info.checkpoint.startswith(self.checkpoint):
            raise CheckpointError(
                f"{self.name}: expected the weights that the training was set up with ({self.checkpoint[:19]}...), "
                f"found {model.info.checkpoint[:19]}...: they were changed meanwhile; put the old ones back"
            )


def find_origin(given: str) -> Origin:
    """What a name, a file or a folder stands for.

    Raises:
        SettingsError: when it is none of them.
        CheckpointError: when the weights are not there and cannot be fetched.
    """
    if is_model_name(given):
        spec = find_model(given)
        if not spec.released and spec.seed is not None:
            return Origin(given, spec.name, f"seed:{spec.seed} (untrained)", spec.config)
        return Origin(given, spec.name, f"sha256:{hash_file(fetch_weights(spec))}", spec.config)
    if (folder := find_model_folder(given)) is not None:
        card = read_model_folder(folder)
        return Origin(given, card.name, f"sha256:{card.sha256}", card.config)
    try:
        return Origin(given, given.replace("\\", "/").rsplit("/", 1)[-1], f"sha256:{hash_file(given)}", None)
    except OSError as error:
        raise SettingsError(
            f"init: expected the name of a model, a weights file or the folder of a training, found {given!r} "
            f"({error.strerror}): vp-science models lists the names"
        ) from error
