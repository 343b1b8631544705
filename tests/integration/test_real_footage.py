"""The whole job on real recordings: labels, tracks, probe, evaluation, batch annotation, other readers."""

import csv
import json
import shutil

import h5py
import numpy as np
import pytest

import vp_science as vp
from vp_science.probes.bundle import load_probe
from vp_science.store.ethogram_reader import read_ethogram
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import frame_edges

SMALL = ("--model", "videoprism-tiny", "--size", 72)


def segments(footage, video, scheme):
    """Labelled frames of one recording: (first, stop, label), stop exclusive."""
    with (footage / "labels" / "segments.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["video"] == video and row["scheme"] == scheme]
    return [(int(row["start_frame"]), int(row["end_frame"]), row["label"]) for row in rows]


def as_labels(parts):
    """Annotations of recordings given as {id: (frame times, labelled frames)}; only labelled frames are observed."""
    bouts, observed = [], []
    for recording, (time_s, found) in parts.items():
        edges = frame_edges(np.asarray(time_s))
        for first, stop, label in found:
            span = {"recording": recording, "start_s": edges[first], "stop_s": edges[stop]}
            bouts.append({"behavior": label, **span})
            observed.append(span)
    names = sorted({bout["behavior"] for bout in bouts})
    return Annotations.of(bouts, observed, Behaviors.of(names, exclusive=True))


def cut_worm(footage, path, first, stop):
    """Frames of the real worm recording as a recording of its own, in the same (Tierpsy) layout."""
    with h5py.File(footage / "hdf5" / "worm_wormpose_public.hdf5", "r") as source, h5py.File(path, "w") as target:
        for name, value in source.attrs.items():
            target.attrs[name] = value
        mask = source["mask"]
        copy = target.create_dataset("mask", data=mask[first:stop], chunks=mask.chunks, compression="gzip")
        for name, value in mask.attrs.items():
            copy.attrs[name] = value
        times = target.create_group("timestamp")
        times["time"] = source["timestamp/time"][first:stop]
    return path


@pytest.fixture(scope="module")
def worms(footage, tmp_path_factory):
    """Three recordings of one worm, in time order with gaps, and the labels of the first two."""
    folder = tmp_path_factory.mktemp("worms")
    labelled = segments(footage, "hdf5/worm_wormpose_public.hdf5", "posture")
    parts = {}
    for name, first, stop in (("worm_a", 0, 151), ("worm_b", 159, 354), ("worm_c", 370, 550)):
        path = cut_worm(footage, folder / f"{name}.hdf5", first, stop)
        inside = [(max(a, first) - first, min(b, stop) - first, c) for a, b, c in labelled if a < stop and b > first]
        with vp.open_recording(path) as recording:
            parts[name] = (recording.time_s.copy(), inside)
    return folder, parts


def test_hdf5_recordings_from_labels_to_reviewed_annotations(run, worms, tmp_path):
    """Labels as a BORIS user has them; two recordings teach, the third is annotated in place, NWB and BORIS agree."""
    folder, parts = worms
    labels = as_labels({name: parts[name] for name in ("worm_a", "worm_b")})
    vp.write_annotations(labels, tmp_path / "labels.csv")
    run("labels", "check", tmp_path / "labels.csv", "--recordings", folder)
    run("embed", folder, *SMALL, "--out", tmp_path / "tracks")
    run("probe", "train", tmp_path / "tracks", "--labels", tmp_path / "labels.csv", "--out", tmp_path / "probe")
    probe = load_probe(tmp_path / "probe")
    assert probe.behaviors_.names == ("coil", "crawl")
    assert not probe.training_["untrained_encoder"]

    recordings = tmp_path / "recordings"
    shutil.copytree(folder, recordings)
    before = {name: read_all(recordings / f"{name}.hdf5") for name in parts}
    command = ("annotate", recordings, "--probe", tmp_path / "probe", "--tracks", tmp_path / "tracks")
    command += ("--in-place", "--nwb", "--boris", "--csv", "--out", tmp_path / "out")
    run(*command)
    for name in parts:
        path = recordings / f"{name}.hdf5"
        assert {key: value for key, value in read_all(path).items() if not key.startswith("vp_science")} == before[name]
        ethogram = read_ethogram(path, probe.id)
        assert len(ethogram) == len(parts[name][0])
        assert (ethogram.states.sum(axis=1) == 1).all()  # labels left no background: something always happens

    table = vp.read_annotations(tmp_path / "out" / f"{probe.id}.csv")
    assert set(table.bouts["source"]) == {f"model:{probe.id}"}
    assert set(table.recordings) == set(parts)
    boris = vp.read_annotations(tmp_path / "out" / "predictions.boris")
    assert bouts_of(boris) == bouts_of(table)
    for name in parts:
        [nwb] = (tmp_path / "out").glob(f"**/{name}*.nwb")
        assert nwb_bouts(nwb) == [row[1:] for row in bouts_of(table) if row[0] == name]
    manifest = [json.loads(line) for line in (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()]
    assert [line["status"] for line in manifest if line["recording_id"] in parts] == ["done"] * 3
    # A second run finds everything done and changes nothing.
    bytes_before = {name: (recordings / f"{name}.hdf5").read_bytes() for name in parts}
    run(*command)
    assert {name: (recordings / f"{name}.hdf5").read_bytes() for name in parts} == bytes_before


def read_all(path):
    """Every dataset of a file as bytes, with its filters and attributes."""
    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            attributes = sorted((key, repr(value)) for key, value in item.attrs.items())
            found[name] = (item.dtype.str, item.shape, item.chunks, item.compression, item[()].tobytes(), attributes)

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


def bouts_of(annotations):
    """Bouts to the millisecond, which is what BORIS keeps."""
    rows = annotations.bouts[["recording", "behavior", "start_s", "stop_s"]].itertuples(index=False)
    return sorted((a, b, round(c, 3), round(d, 3)) for a, b, c, d in rows)


def nwb_bouts(path):
    """The bouts as pynwb sees them, without any of our code."""
    pynwb = pytest.importorskip("pynwb")
    import ndx_ethogram

    with pynwb.NWBHDF5IO(path, "r") as io:
        tables = [item for item in io.read().objects.values() if isinstance(item, ndx_ethogram.EthogramBouts)]
        frames = [table.to_dataframe() for table in tables]
    rows = [(r.label, round(r.start_time, 3), round(r.stop_time, 3)) for frame in frames for r in frame.itertuples()]
    return sorted(rows)


def test_train_on_some_clips_evaluate_on_others(run, footage, tmp_path):
    """Real mice, 11 behaviors: the clips ending in _l teach, those in _m are predicted, and the other way round."""
    clips = sorted((footage / "bsoid_tiles").glob("*_groom_*.mp4")) + sorted(
        (footage / "bsoid_tiles").glob("itch_*.mp4")
    )
    run("embed", *clips, *SMALL, "--out", tmp_path / "tracks")
    parts = {}
    for clip in clips:
        with vp.open_recording(clip) as recording:
            parts[clip.stem] = (recording.time_s.copy(), segments(footage, f"bsoid_tiles/{clip.name}", "bsoid_tiles"))
    vp.write_annotations(as_labels(parts), tmp_path / "labels.csv")
    groups = tmp_path / "groups.csv"
    groups.write_text("recording,session\n" + "".join(f"{name},{name[-1]}\n" for name in parts))
    report = tmp_path / "report"
    command = ("probe", "evaluate", tmp_path / "tracks", "--labels", tmp_path / "labels.csv", "--groups", groups)
    run(*command, "--recordings", footage / "bsoid_tiles", "--out", report)
    content = json.loads((report / "evaluation.json").read_text())
    text = (report / "evaluation.md").read_text()
    assert len(content["folds"]) == 2
    for word in ("guessing", "pixels", "untrained", "itch"):
        assert word in text
    assert len(list(report.glob("*.png"))) >= 3
