"""Miniature downloads, laid out and written as the datasets are."""

import json
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from PIL import Image
from scipy.io import savemat

WIDTH, HEIGHT = 48, 36
COLOURS = ((220, 40, 40), (40, 220, 40), (40, 40, 220), (220, 220, 40))


def picture(shown: Sequence[int], seed: int) -> np.ndarray:
    """Grey noise with a coloured stripe for every behavior that is shown."""
    rng = np.random.default_rng(seed)
    frame = rng.integers(60, 90, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    for behavior in shown:
        frame[:, behavior * 12 : behavior * 12 + 12] = COLOURS[behavior % 4]
    return frame


def write_video(path: Path, frames: Sequence[np.ndarray], fps: int = 30) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 2_000_000
        stream.codec_context.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def blocks(num_frames: int, num_classes: int, length: int = 6, shift: int = 0) -> np.ndarray:
    """A class per frame, in turns of ``length`` frames."""
    return (np.arange(num_frames) // length + shift) % num_classes


def make_calms21(root: Path, train: int = 3, test: int = 1, num_frames: int = 36, length: int = 6) -> Path:
    """``task1_videos_mp4`` and the JSON of ``task1_classic_classification``; class 3 is other."""
    number = 0
    for part, count in (("train", train), ("test", test)):
        group = {}
        for _ in range(count):
            number += 1
            name = f"mouse{number:03d}_task1_annotator1"
            classes = blocks(num_frames, 4, length, number)
            frames = [picture([c] if c < 3 else [], 100 * number + i) for i, c in enumerate(classes)]
            write_video(root / "task1_videos_mp4" / part / f"{name}.mp4", frames)
            group[f"task1/{part}/{name}"] = {
                "keypoints": np.zeros((num_frames, 2, 2, 7)).tolist(),
                "scores": np.ones((num_frames, 2, 7)).tolist(),
                "annotations": classes.tolist(),
                "metadata": {"vocab": {"attack": 0, "investigation": 1, "mount": 2, "other": 3}},
            }
        folder = root / "task1_classic_classification"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"calms21_task1_{part}.json").write_text(json.dumps({"annotator-id_0": group}))
    return root


POSE = ("pos x", "pos y", "ori", "major axis len", "minor axis len", "body area", "wing l x", "wing l y", "wing r x",
        "wing r y")  # fmt: skip
BEHS = ("touch", "lunge", "wing threat", "charge", "hold", "tussle")


def cell(values: Sequence[Sequence[object]]) -> np.ndarray:
    array = np.empty((len(values), len(values[0])), dtype=object)
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            array[i, j] = value
    return array


def make_fly_movie(root: Path, context: str, number: int, num_frames: int = 40) -> Path:
    """``<context>/movie<n>`` with a video and the MATLAB 5 files; bouts count from 1 and include both ends."""
    name = f"movie{number}"
    folder = root / context / name
    classes = blocks(num_frames, 4, shift=number)  # lunge, wing threat, tussle, none
    frames = [picture([c] if c < 3 else [], 10 * number + i) for i, c in enumerate(classes)]
    write_video(folder / f"{name}.avi", frames)
    bouts = [[np.zeros((0, 3)) for _ in BEHS] for _ in range(2)]
    for column, behavior in ((1, 0), (2, 1), (5, 2)):
        on = np.flatnonzero(classes == behavior)
        starts = on[np.diff(on, prepend=-2) > 1]
        stops = on[np.diff(on, append=num_frames + 1) > 1]
        rows = np.stack([starts + 1, stops + 1, np.zeros(len(starts))], axis=1)
        bouts[0][column], bouts[1][column] = rows[::2], rows[1::2]
    savemat(folder / f"{name}_actions.mat", {"behs": cell([BEHS]), "bouts": cell(bouts)})
    data = np.random.default_rng(number).random((2, num_frames, len(POSE)))
    data[1, 3, 6] = np.nan  # a wing of the second fly is lost in frame 3
    data[0, 5, 5] = np.nan  # not one of the features that count
    trk = {"flag_frames": np.zeros((1, 0)), "names": cell([POSE]), "data": data}
    savemat(folder / f"{name}_track.mat", {"trk": trk})
    return folder


def make_fly(root: Path) -> Path:
    for number in (1, 2, 10):
        make_fly_movie(root, "Aggression", number)
    return root


KABR_CLASSES = ("Walk", "Graze", "Browse", "Head Up")


def make_kabr(root: Path, images: str = "images", num_frames: int = 90) -> Path:
    """Folders of JPEG pictures counted from 1, and Charades rows with spaces between them."""
    annotation = root / "annotation"
    annotation.mkdir(parents=True)
    (annotation / "classes.json").write_text(json.dumps({name: i for i, name in enumerate(KABR_CLASSES)}))
    video = 0
    for part, scenes in (("train", ("G0001", "ZP0002")), ("val", ("ZG0003",))):
        lines = ["original_vido_id video_id frame_id path labels"]
        for scene in scenes:
            video += 1
            classes = blocks(num_frames, 4, length=15, shift=video)
            folder = root / images / scene
            folder.mkdir(parents=True)
            for i, c in enumerate(classes):
                Image.fromarray(picture([c], i)).save(folder / f"{i + 1}.jpg", quality=90)
                lines.append(f"{scene} {video} {i + 1} {scene}/{i + 1}.jpg {c}")
        (annotation / f"{part}.csv").write_text("\n".join(lines) + "\n")
    return root


CRIM_BEHAVIORS = (
    "approach",
    "attack",
    "copulation",
    "chase",
    "circle",
    "drink",
    "eat",
    "clean",
    "human",
    "sniff",
    "up",
    "walk_away",
    "other",
)


def caltech_text(classes: np.ndarray, names: Sequence[str]) -> str:
    """As the Caltech Behavior Annotator writes it: frames from 1, both ends included, without gaps."""
    lines = ["Caltech Behavior Annotator - Annotation File", "", "Configuration file:"]
    lines += [f"{name} {key}" for name, key in zip(CRIM_BEHAVIORS, "abcdefghijklm", strict=True)]
    lines += ["", "S1: start    end     type", "-----------------------------"]
    first = 0
    for i in range(1, len(classes) + 1):
        if i == len(classes) or classes[i] != classes[first]:
            lines.append(f"    {first + 1}    {i}    {names[classes[first]]}")
            first = i
    return "\n".join(lines) + "\n"


def make_crim13(root: Path, num_frames: int = 36) -> Path:
    names = ("approach", "attack", "sniff", "other")
    for number, (part, name) in enumerate(
        (
            ("train", "012609_A29_Block1_BCfe1"),
            ("train", "012609_A29_Block12_BCma1"),
            ("test", "030609_A25_Block11_BCfe1"),
        )
    ):
        classes = blocks(num_frames, 4, shift=number)
        frames = [picture([c] if c < 3 else [], i) for i, c in enumerate(classes)]
        for suffix in ("_t", "_s"):
            write_video(root / part / f"{name}{suffix}.avi", frames, fps=25)
        (root / part / f"{name}_t.txt").write_text(caltech_text(classes, names))
    return root


CHIMPACT_TEST = "Azibo_ObsChimp_2015_11_25_d_clip_1000_2000"
CHIMPACT_VAL = "Azibo_ObsChimp_2015_11_26_a_clip_1000_2000"


def make_chimpact(root: Path, num_frames: int = 36) -> Path:
    """``videos_full`` and COCO-style ``labels``: keyframes of every tenth frame, two animals, one of them leaves."""
    clips = (
        "Azibo_ObsChimp_2016_01_01_a_clip_0_36",
        "Azibo_ObsChimp_2016_01_02_a_clip_0_36",
        CHIMPACT_VAL,
        CHIMPACT_TEST,
    )
    for number, clip in enumerate(clips):
        keys = range(-(-num_frames // 10))
        frames = []
        for i in range(num_frames):
            frame = picture([], i)
            frame[:, :24] = COLOURS[(i // 10 + number) % 2]
            frame[:, 24:] = COLOURS[2 + (i // 10 + number) % 2]
            frames.append(frame)
        write_video(root / "videos_full" / f"{clip}.mp4", frames, fps=25)
        images = [
            {"id": 500 + key, "file_name": f"{clip}/{key:06d}.jpg", "width": WIDTH, "height": HEIGHT} for key in keys
        ]
        annotations = []
        for key in keys:
            turn = (key + number) % 2
            annotations.append(box(len(annotations), 500 + key, 4, [2, 2, 20, 30], [0 if turn else 2]))
            if key < 3:
                annotations.append(box(len(annotations), 500 + key, 7, [26, 2, 20, 30], [5, 20] if turn else [20]))
        labels = {
            "info": {},
            "licenses": [],
            "categories": [{"id": 0, "name": "Chimpanzee"}],
            "images": images,
            "annotations": annotations,
        }
        folder = root / "labels"
        folder.mkdir(exist_ok=True, parents=True)
        (folder / f"{clip}.json").write_text(json.dumps(labels))
    return root


def box(id: int, image: int, animal: int, bbox: list[float], behaviors: list[int]) -> dict[str, object]:
    return {
        "id": id,
        "image_id": image,
        "category_id": 0,
        "bbox": bbox,
        "bbox_id": animal,
        "bbox_vis": 0,
        "behaviors": behaviors,
        "keypoints": [],
        "iscrowd": 0,
    }
