"""What the panel asks the worker to embed: read from JSON, checked, and turned into the parts of a batch."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vp_science.checkpoints.model_folder import find_model_folder, read_model_folder
from vp_science.checkpoints.registry import ModelSpec, find_model, is_model_name
from vp_science.errors import SettingsError
from vp_science.video.crop_path import FollowSettings
from vp_science.video.preprocess import Preprocess

if TYPE_CHECKING:
    from vp_science.embedding.settings import EmbedSettings
    from vp_science.encoder.config import EncoderConfig

Region = tuple[int, int, int, int]
"""x, y, width and height in pixels of the displayed frame."""


@dataclass(frozen=True)
class AskedRecording:
    """One recording to embed.

    Attributes:
        id: of the session.
        path: where it lies.
        poses: its pose file, None for none.
        region: look only at this part, None for all.
    """

    id: str
    path: Path
    poses: Path | None = None
    region: Region | None = None


@dataclass(frozen=True)
class EmbeddingRequest:
    """What to embed, and how.

    Attributes:
        out: folder of the tracks.
        recordings: which ones.
        model: name of the model, or the folder of a training.
        weights: file with weights of one's own, None for those of the model.
        precision: ``auto``, ``float32`` or ``bfloat16``.
        download: the user has agreed to a download of the weights.
        fps: rate of the sample grid, None for every frame.
        num_frames: grid frames per window.
        stride: grid frames between windows.
        spatial_pool: k for k x k vectors per frame.
        dtype: number type of the track.
        fit: how frames become square.
        follow: how pictures around animals are cut; None follows nobody.
        subjects: which animals; None for all.
        pairs: follow pairs, too.
        whole_frame: embed whole frames, too.
        overwrite: replace tracks that were made in another way.
    """

    out: Path
    recordings: tuple[AskedRecording, ...]
    model: str
    weights: Path | None = None
    precision: Any = "auto"
    download: bool = False
    fps: float | None = None
    num_frames: int = 16
    stride: int = 4
    spatial_pool: int = 1
    dtype: Any = "float16"
    fit: Any = "squash"
    follow: FollowSettings | None = None
    subjects: tuple[str, ...] | None = None
    pairs: bool = False
    whole_frame: bool = True
    overwrite: bool = False

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "EmbeddingRequest":
        """Read a request.

        Raises:
            SettingsError: naming what is missing, unknown or impossible.
        """
        names = {field.name for field in fields(cls)}
        if unknown := sorted(set(record) - names):
            raise SettingsError(f"expected {', '.join(sorted(names))} in a request to embed, found {unknown[0]}")
        if not record.get("recordings") or not record.get("out") or not record.get("model"):
            raise SettingsError("expected recordings, an output folder and a model in a request to embed: choose them")
        values = dict(record)
        values["out"] = Path(record["out"])
        values["recordings"] = tuple(_recording(one) for one in record["recordings"])
        values["weights"] = Path(record["weights"]) if record.get("weights") else None
        values["fps"] = None if record.get("fps") is None else float(record["fps"])
        values["subjects"] = tuple(record["subjects"]) if record.get("subjects") else None
        values["follow"] = _follow(record["follow"]) if record.get("follow") is not None else None
        return cls(**values)

    @property
    def spec(self) -> ModelSpec:
        """The model.

        Raises:
            SettingsError: when there is none of this name.
            CheckpointError: when it is the folder of a training, and damaged.
        """
        folder = None if is_model_name(self.model) else find_model_folder(self.model)
        if folder is None:
            return find_model(self.model)
        model = read_model_folder(folder)
        return ModelSpec(model.name, model.config, model.num_parameters, "trained here", "")

    @property
    def files(self) -> Path | None:
        """Weights that the user named, or those of a model that was trained here; None for those that come with it."""
        return self.weights or (None if is_model_name(self.model) else find_model_folder(self.model))

    @property
    def recorded_name(self) -> str:
        """What tracks will say that they were made with."""
        folder = find_model_folder(self.files)
        trained = None if folder is None else read_model_folder(folder)
        return trained.name if trained is not None and trained.config == self.spec.config else self.spec.name

    def preprocess(self, config: "EncoderConfig", region: Region | None = None) -> Preprocess:
        """Size, fit and region of the frames."""
        height, width = config.image_size
        return Preprocess(height, width, self.fit, region)

    def settings(self, config: "EncoderConfig", region: Region | None = None) -> "EmbedSettings":
        """As ``embed`` takes them."""
        from vp_science.embedding.settings import EmbedSettings

        return EmbedSettings(
            self.fps, self.num_frames, self.stride, self.spatial_pool, self.dtype, self.preprocess(config, region)
        )

    def regions(self) -> list[tuple[Region | None, list[AskedRecording]]]:
        """Recordings by region: a batch has one."""
        groups: dict[Region | None, list[AskedRecording]] = {}
        for one in self.recordings:
            groups.setdefault(one.region, []).append(one)
        return list(groups.items())

    def wanted(self, region: Region | None) -> dict[str, Any]:
        """The settings that an existing track is compared with before anything is loaded, as in its provenance."""
        config = self.spec.config
        return {
            "model": self.recorded_name,
            "preprocess": self.preprocess(config, region).to_json(),
            "num_frames": self.num_frames,
            "stride": self.stride,
            "spatial_pool": self.spatial_pool,
            "dtype": self.dtype,
            "grid.sample_fps": self.fps,
        }


def _recording(record: Mapping[str, Any]) -> AskedRecording:
    region = record.get("region")
    if region is not None and (len(region) != 4 or not all(type(number) is int for number in region)):
        raise SettingsError(f"expected a region as x, y, width, height in whole pixels, found {region}")
    poses = record.get("poses")
    return AskedRecording(
        record["id"], Path(record["path"]), Path(poses) if poses else None, tuple(region) if region else None
    )


def _follow(record: Mapping[str, Any]) -> FollowSettings:
    names = {field.name for field in fields(FollowSettings)}
    if unknown := sorted(set(record) - names):
        raise SettingsError(f"expected {', '.join(sorted(names))} in the settings of crops, found {unknown[0]}")
    axis = record.get("axis")
    return FollowSettings(**{**record, "axis": tuple(axis) if axis else None})
