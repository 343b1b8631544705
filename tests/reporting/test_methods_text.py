"""What stands in a methods text: to the letter where facts are known, and nothing that no file says."""

import re
from pathlib import Path

import h5py
import methods_files as files
import numpy as np
import pytest
from fine_tuned_micro import make_probe
from pipeline_tools import make_encoder, read_manifest

from vp_science.bench.protocol import ClipSettings
from vp_science.bench.registry import find_dataset
from vp_science.bench.report import BenchReport, Counts
from vp_science.bench.scores import Score
from vp_science.errors import SettingsError, VPScienceError
from vp_science.maps import open_map
from vp_science.probes.bundle import save_probe
from vp_science.reporting import MethodsText, methods_text
from vp_science.reporting.facts.annotation import read_manifest as newest_lines
from vp_science.reporting.facts.probes import card_sections
from vp_science.reporting.words.probe import probe_words
from vp_science.store.ethogram import Annotated, write_ethogram_file
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import Ethogram

EXPECTED = Path(__file__).parent / "expected"


def expected(name, **facts):
    """The paragraphs of a text file, with numbers that depend on the machine filled in."""
    text = (EXPECTED / f"{name}.txt").read_text(encoding="utf-8")
    return tuple((text.format(**facts) if facts else text).rstrip("\n").split("\n\n"))


def test_a_track(tmp_path):
    assert methods_text(files.write_known_track(tmp_path)).paragraphs == expected("track")


def test_a_probe():
    encoding, probe = card_sections(files.known_card())
    assert encoding.facts["material"] is None
    assert (probe_words(probe.facts, "embeddings"),) == expected("probe")
    assert probe.warnings[0].startswith("No evaluation belongs to the probe mouse-0badcafe")


def test_an_evaluation(tmp_path):
    text = methods_text(files.write_json(tmp_path / "evaluation.json", files.known_evaluation()).parent)
    assert text.warnings == ()
    assert text.paragraphs == expected("evaluation")


@pytest.fixture
def run_folder(tmp_path):
    """What a run leaves: an ethogram file, and a manifest of one recording that failed once and one that failed."""
    provenance = {
        "probe": files.known_card(),
        "tracks": [{"subject": "", **files.KNOWN, "spatial_pool": 1}],
        "thresholds": {"walk": 0.41},
        "steps": ["Scores are interpolated."],
        "recording": {"id": "mouse3", "identity": {"sha256": "cd" * 32, "num_bytes": 5, "num_frames": 4}},
        "software": "vp-science 0.1.0 (jax 0.10.2, av 18.1.0)",
    }
    states = np.array([[1], [1], [0], [-1]], np.int8)
    scores = np.array([[0.9], [0.8], [0.1], [np.nan]], np.float32)
    ethogram = Ethogram(Behaviors.of(["walk"], exclusive=True), np.arange(4.0), states, scores, "mouse3")
    write_ethogram_file(
        tmp_path / "mouse3.ethogram.h5", Annotated("mouse-0badcafe", "mouse3", [ethogram], provenance), "x"
    )
    done = {"recording_id": "mouse3", "status": "done", "probe": "mouse-0badcafe", "duration_s": 7200.0,
            "behaviors": {"walk": {"bouts": 12, "total_s": 1800.0, "observed_s": 7200.0}}}  # fmt: skip
    lines = [
        done | {"status": "failed", "error": "disk full"},
        done,
        done | {"recording_id": "bad", "status": "failed"},
    ]
    text = "\n".join(map(files.json.dumps, lines)) + '\n{"recording_id": "mouse9", "pro'
    (tmp_path / "manifest.jsonl").write_text(text)
    return tmp_path


def test_annotated_recordings(run_folder):
    text = methods_text(run_folder)
    assert [section.kind for section in text.sections] == ["encoding", "probe", "annotation"]
    assert text.paragraphs[-1:] == expected("annotation")
    assert "1 recordings could not be annotated with mouse-0badcafe" in text.warnings[-1]
    assert methods_text(run_folder / "manifest.jsonl") == text
    assert [line["status"] for line in newest_lines(run_folder / "manifest.jsonl", "probe")] == ["done", "failed"]


def test_a_single_ethogram_file_is_counted(run_folder):
    text = methods_text(run_folder / "mouse3.ethogram.h5")
    assert "It found walk (1 bout, 2.0 s, 66.7 % of the observed time)." in text.paragraphs[-1]
    assert "could not be annotated" not in text.paragraphs[-1]


def test_annotated_in_place(run_folder, tmp_path):
    """The recording itself, and the folder that only has the manifest."""
    recording = tmp_path / "recordings" / "mouse3.h5"
    recording.parent.mkdir()
    with h5py.File(run_folder / "mouse3.ethogram.h5") as held, h5py.File(recording, "w") as file:
        held.copy("vp_science", file)
        file["frames"] = np.zeros((4, 2, 2))
    text = methods_text(recording)
    assert [section.kind for section in text.sections] == ["encoding", "probe", "annotation"]
    (run_folder / "mouse3.ethogram.h5").unlink()
    alone = methods_text(run_folder / "manifest.jsonl")
    assert [section.kind for section in alone.sections] == ["annotation"]
    assert "by the probe mouse-0badcafe. It found walk (12 bouts" in alone.paragraphs[0]
    assert any("How the probe mouse-0badcafe was made is not recorded" in text for text in alone.warnings)
    with h5py.File(recording, "a") as file:
        del file["vp_science"]
    with pytest.raises(SettingsError, match="found none of them in"):
        methods_text(recording)


def test_a_map(study):
    made, text = open_map(study / "study.map.h5"), methods_text(study / "study.map.h5")
    facts = text.sections[-1].facts
    libraries = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    assert facts["id"] == made.id
    assert text.paragraphs[-1:] == expected("map", libraries=libraries, **facts)


def test_a_search(study):
    found = methods_text(study / "hits.json")
    assert found.paragraphs == expected("search", **found.sections[0].facts)
    together = methods_text(study / "hits.json", study / "moments.h5")
    assert [section.kind for section in together.sections] == ["encoding", "search", "search"]


def test_a_trained_model(tmp_path):
    text = methods_text(files.write_model_card(tmp_path / "adapted"))
    assert text.paragraphs == expected("model")
    assert "/home/me" not in str(text)
    assert any("Decoupled weight decay" in reference for reference in text.references)


def write_benchmark(folder):
    dataset = find_dataset("calms21")
    report = BenchReport(
        protocol=dataset.protocol, view="", score=Score(61.25, {"attack": 61.25}, 9.5),
        counts={"train": Counts(70, 5000, {"attack": 4}), "test": Counts(19, 3000, {"attack": 2})},
        deviations=("2 of 70 recordings",), notes=(), model="videoprism-tiny", checkpoint="seed:0 (untrained)",
        untrained=True, seed=4, head={"head": "attentive"}, clip=ClipSettings(),
        preprocess={"height": 144, "width": 144}, training={}, seconds={},
    )  # fmt: skip
    report.save(folder)
    return folder


def test_a_benchmark(tmp_path):
    text = methods_text(write_benchmark(tmp_path))
    assert text.warnings[0].startswith("The encoder videoprism-tiny was never trained")
    assert text.warnings[1] == "Not comparable with the published numbers: 2 of 70 recordings"
    assert text.paragraphs == expected("benchmark")
    assert any("Sun et al. 2021" in reference for reference in text.references)


def test_a_fine_tuned_probe(tmp_path):
    text = methods_text(save_probe(make_probe(make_encoder()), tmp_path / "probe.zip"))
    assert "custom, fine-tuned, a fine-tuned model with the architecture of VideoPrism" in text.paragraphs[0]
    assert "The model gave its scores for each frame" in text.paragraphs[0]
    assert "one vector" not in text.paragraphs[0]
    assert "The training started from custom (seed:0 (untrained))." in text.paragraphs[1]
    assert "walk (3 bouts, time not recorded)" in text.paragraphs[1]  # cards of before told no times


def test_a_training_that_is_not_finished(tmp_path):
    (tmp_path / "settings.toml").write_text(
        "# settings of a run of vp-science; repeat it with: vp-science train contrastive --config settings.toml\n"
        'seed = 5\ninit = ""\n[optimizer]\nname = "adamw"\n[loop]\nsteps = 300\nbatch_size = 8\n'
    )
    (tmp_path / "metrics.jsonl").write_text('{"step": 100, "loss": 4.0}\n{"step": 120, "loss": 3.5}\n{"step": 13')
    text = methods_text(tmp_path)
    assert text.warnings == ("This training is not finished: 120 of 300 steps, and there is no result yet",)
    assert "Training took 120 steps of 300 so far of 8 clips" in text.paragraphs[0]
    assert "What it started from was not recorded." in text.paragraphs[0]


def test_a_fine_tuning_is_told_with_its_probe(tmp_path):
    (tmp_path / "settings.toml").write_text(
        "# settings of a run of vp-science; repeat it with: vp-science train finetune --config settings.toml\n"
        'seed = 5\ntrain = "lora"\ninit = "/home/me/weights.npz"\n[optimizer]\nname = "adamw"\n[loop]\nsteps = 9\n'
    )
    probe = make_probe(make_encoder())
    probe.training_ |= {"log": {"validation_map": 0.625}, "validation_recordings": [{"recording": "m1"}]}
    save_probe(probe, tmp_path / "probe.zip")
    text = methods_text(tmp_path)
    assert [section.kind for section in text.sections] == ["training", "encoding", "probe"]
    assert "It started from custom (seed:0 (untrained)); low-rank adapters (Hu et al., 2022) and" in text.paragraphs[0]
    assert (
        "On 1 held-out recording, mean average precision was 0.62; they also chose the checkpoint" in text.paragraphs[2]
    )
    assert any("LoRA" in reference for reference in text.references)
    assert any(warning.startswith("This training began with random weights") for warning in text.warnings)
    assert "/home/me" not in str(text)


def test_different_settings_are_told_apart(tmp_path):
    files.write_known_track(tmp_path, "mouse1")
    files.write_known_track(tmp_path, "mouse2")
    files.write_known_track(tmp_path, "mouse3", preprocess={**files.KNOWN["preprocess"], "crop": [5, 6, 70, 80]})
    files.write_known_track(tmp_path, "mouse4", stride=8)
    text = methods_text(tmp_path)
    assert [paragraph[:12] for paragraph in text.paragraphs] == ["Encoding 1: ", "Encoding 2: "]
    assert "3 recordings (3.0 min in all) were encoded" in text.paragraphs[0]
    assert "regions of interest that differed between recordings" in text.paragraphs[0]
    assert "began every 8 frames (1.6 s)" in text.paragraphs[1]
    assert text.warnings == (
        "These files were made in 2 ways, which are told apart below. Encodings 1 and 2 differ in stride: 4 in "
        "encoding 1, 8 in encoding 2. Numbers of different encodings cannot be compared or joined",
    )


def test_one_region_is_told(tmp_path):
    files.write_known_track(tmp_path, preprocess={**files.KNOWN["preprocess"], "crop": [5, 6, 70, 80]})
    [encoded] = methods_text(tmp_path).paragraphs
    assert "a region of 70 x 80 pixels, 5 pixels from the left and 6 from the top of the frame, was scaled" in encoded


def test_every_frame_at_rates_that_differ(tmp_path):
    files.write_known_track(tmp_path, grid={"sample_fps": None, "num_grid": 300})
    files.write_known_track(tmp_path, "short", rows=9, grid={"sample_fps": None, "num_grid": 9})
    [encoded] = methods_text(tmp_path).paragraphs
    assert "Every frame of the recordings was used" in encoded
    assert (
        "windows of 16 frames (3.2 s) that began every 4 frames (0.8 s). 1 track shorter than a window was read"
        in encoded
    )


def test_times_and_values_that_were_given_by_hand(tmp_path):
    source = {"backend": "hdf5", "times": "source_fps=30", "resize": "x", "value_range": {"low": 0, "high": 4095}}
    files.write_known_track(tmp_path, source=source)
    [encoded] = methods_text(tmp_path).paragraphs
    assert "Times of frames were computed from a rate given by hand (source_fps=30)." in encoded
    assert "Pixel values from 0 (black) to 4095 (white) were mapped to 8 bits." in encoded
    assert "Lanczos" not in encoded


def test_followed_animals(tmp_path):
    settings = {"size_body_lengths": 1.5, "margin": 0.25, "rotate": True, "smooth_s": 0.1, "max_gap_s": 0.5}
    for name in ("a", "b"):
        follow = {"subject": name, "target": "", "of_recording": "mouse1", "pose": {"format": "SLEAP analysis"},
                  "settings": settings, "turned": "gaussian+bicubic"}  # fmt: skip
        files.write_known_track(tmp_path, f"mouse1@{name}", source={"backend": "pyav", "follow": follow})
    text = methods_text(tmp_path)
    [encoded] = text.paragraphs
    assert (
        "Square pictures were cut around each animal by its key points (pose files: SLEAP analysis), 1.5 body lengths "
        "and a margin of 0.25 body lengths on either side wide and turned so that the animal looked up; its path was "
        "smoothed over 0.1 s and bridged over gaps of at most 0.5 s."
    ) in encoded
    assert "1 recording (60.0 s in all; 2 animals were followed) was encoded" in encoded
    assert any("SLEAP" in reference for reference in text.references)


def test_untrained_encoders_come_first(study):
    text = methods_text(study / "ethograms")
    assert text.warnings[0].startswith("The encoder custom was never trained: its weights are random numbers")
    assert str(text).startswith("## Before you publish\n\n- The encoder custom was never trained")


def test_leakage_and_missing_groups_are_reasons_not_to_publish(tmp_path):
    notes = ["NOT INDEPENDENT: windows overlap", "no table of recordings was given: x", "'walk' is rare"]
    content = files.known_evaluation() | {"notes": notes}
    content["folds"][0]["test_bouts"] = {"walk": 1}
    content["folds"][1]["test_bouts"] = {"walk": 2}
    content["settings"]["folds"] = "random-windows"
    text = methods_text(files.write_json(tmp_path / "evaluation.json", content))
    assert text.warnings[:2] == ("NOT INDEPENDENT: windows overlap", "No table of recordings was given: x")
    assert "Figures of walk rest on fewer than 10 bouts each" in text.warnings[2]
    assert "training and test parts shared recordings" in text.paragraphs[-1]


def test_real_files_say_everything(study):
    """What the package writes today holds all that the text asks for."""
    whole = methods_text(study / "tracks", study / "mouse.probe", study / "ethograms")
    assert [section.kind for section in whole.sections] == ["encoding", "probe", "annotation"]
    assert "not recorded" not in " ".join(whole.paragraphs)
    assert "3 recordings (" in whole.paragraphs[0]  # a recording that two files tell of counts once
    evaluated = methods_text(study / "evaluation").paragraphs[1]
    assert "not recorded" not in evaluated
    probe = whole.sections[1].facts
    assert [(entry["bouts"], entry["seconds"]) for entry in probe["behaviors"]] == [(2, 1.2), (2, 1.2)]
    lines = {line["recording_id"]: line for line in read_manifest(study / "ethograms")}
    found = whole.sections[2].facts["behaviors"][0]
    assert found["bouts"] == sum(line["behaviors"]["walk"]["bouts"] for line in lines.values())


def test_an_evaluation_beside_the_probe_answers_what_it_lacks(study):
    alone, both = methods_text(study / "mouse.probe"), methods_text(study / "mouse.probe", study / "evaluation")
    assert any(text.startswith("No evaluation belongs") for text in alone.warnings)
    assert not any(text.startswith("No evaluation belongs") for text in both.warnings)


YEARS = re.compile(r"(?<=[a-z.], )\d{4}(?=[);])")


def numbers_nobody_recorded(text: MethodsText) -> list[str]:
    """Numbers of the paragraphs that are in no fact, in no unit that texts use."""
    said, values = set(), [0.0]

    def walk(value):
        if isinstance(value, dict):
            for key, entry in value.items():
                walk(key)
                walk(entry)
        elif isinstance(value, list):
            for entry in value:
                walk(entry)
        elif isinstance(value, str):
            said.update(re.findall(r"\d+(?:\.\d+)*", value))
        elif isinstance(value, int | float):
            values.append(float(value))

    walk([section.facts for section in text.sections])
    units = [value / seconds for value in values for seconds in (1, 60, 3600)]
    forms = {format(unit, form) for unit in units for form in (".0f", ".1f", ".2f", ".3f", ".4f", ".3g", "g", ",.0f")}
    found = []
    for paragraph in text.paragraphs:
        plain = re.sub(r"SHA-256|[Ee]ncodings? \d+|8 bits|at least 0\.5", "", YEARS.sub("", paragraph))
        found += [
            token for token in re.findall(r"(?<![\w.-])\d[\d,]*(?:\.\d+)*(?:e-\d+)?(?!\w)", plain)
            if token.rstrip(",") not in said | forms
        ]  # fmt: skip
    return found


def test_every_number_is_a_fact(study, run_folder, tmp_path):
    texts = [
        methods_text(study), methods_text(run_folder), methods_text(files.write_model_card(tmp_path / "m")),
        methods_text(write_benchmark(tmp_path / "bench")),
        methods_text(files.write_json(tmp_path / "e" / "evaluation.json", files.known_evaluation())),
    ]  # fmt: skip
    assert [numbers_nobody_recorded(text) for text in texts] == [[]] * len(texts)
    invented = MethodsText((), ("We tested 4711 recordings.",), texts[0].sections, ())
    assert numbers_nobody_recorded(invented) == ["4711"]


def test_a_whole_study_is_one_text(study):
    text = methods_text(study)
    kinds = [section.kind for section in text.sections]
    assert kinds == ["encoding", "encoding", "probe", "evaluation", "annotation", "map", "search", "search"]
    assert len(text.references) == len(set(text.references))
    record = text.to_json()
    assert record["format"] == "vp_science.methods"
    assert [section["kind"] for section in record["sections"]] == kinds
    assert "## Exact values" in str(text)
    assert f"- encoder.weights_sha256: {files.WEIGHTS}" in str(text)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.md", "# hello"),
        ("numbers.json", "[1, 2]"),
        ("other.json", '{"a": 1}'),
        ("settings.toml", "a = 1"),
        ("some.h5", "no hdf5"),
    ],
)
def test_unknown_files_are_refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(SettingsError, match=r"expected a track .*found none of them in .*name what vp-science wrote"):
        methods_text(path)
    with pytest.raises(SettingsError, match="found none of them in"):
        methods_text(tmp_path)


def test_nothing_there_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"found nothing at .*nowhere: check the name"):
        methods_text(tmp_path / "nowhere")
    with pytest.raises(SettingsError, match="expected at least one file or folder, found none"):
        methods_text()
    path = tmp_path / "broken.json"
    path.write_text("{")
    with pytest.raises(SettingsError, match="expected JSON, found something else"):
        methods_text(path)


def test_a_damaged_file_in_a_study_is_not_passed_over(tmp_path):
    path = files.write_known_track(tmp_path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(VPScienceError, match="to be a complete embedding file; it is damaged"):
        methods_text(tmp_path)


@pytest.mark.parametrize("worth", [None, 3, "x", [1], {"a": None}, [{"b": []}], float("nan")])
def test_facts_of_any_type_break_nothing(worth):
    """Cards and reports come from anywhere: what is not what it should be is not recorded."""
    for key in files.known_card():
        sections = card_sections(files.known_card() | {key: worth})
        assert probe_words(sections[1].facts, "embeddings")
    training = files.known_card()["training"]
    for key in training:
        [_, probe] = card_sections(files.known_card() | {"training": training | {key: worth}})
        assert probe_words(probe.facts, "embeddings")


def test_names_cannot_write_lines_of_their_own(tmp_path):
    content = files.known_evaluation()
    content["behaviors"]["entries"] = [{"name": "walk\n## Methods\n\x1b[31mall was well"}]
    text = str(methods_text(files.write_json(tmp_path / "evaluation.json", content)))
    assert "\x1b" not in text
    assert text.count("\n## Methods") == 1 - text.startswith("## Methods")
