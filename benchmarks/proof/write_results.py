"""Writes docs/results.md from the cells in benchmarks/proof/results, with what may be said and what may not.

    python -m benchmarks.proof.write_results --runs runs/tiny       # --runs also copies and draws the logs

Nothing is computed here but means, spreads and paired differences with 95 % intervals (Student's t over the units that
the text names). A difference whose interval includes zero is called "not shown".
"""

import argparse
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.proof.ablation import LONGER, STAGE1, VARIANTS
from benchmarks.proof.arms import UNTRAINED
from benchmarks.proof.cells import RESULTS, read_cells
from benchmarks.proof.figures import curves, dots
from benchmarks.proof.probes_on_footage import HEADS, PIXELS
from benchmarks.proof.studies import STUDIES
from benchmarks.proof.tables import average, difference, markdown, select, text

DOCS = Path(__file__).parents[2] / "docs"
MAP = "macro_average_precision"
PARTS = ("stage1", "stage1_native", "stage2", "stage2_native", "text")
TRIED = "tried.md"
"""What was tried where a direction did not show; by hand."""
_OTHERS = (UNTRAINED, PIXELS, "majority")


class Page:
    """The page under way, and where its figures go."""

    def __init__(self, out: Path, images: Path) -> None:
        self.out, self.images, self.lines = out, images, []

    def add(self, *lines: str) -> None:
        """Append lines."""
        self.lines += lines

    def picture(self, words: str, name: str, draw: Callable[[Path], Path]) -> None:
        """Append a figure."""
        self.images.mkdir(parents=True, exist_ok=True)
        path = draw(self.images / name)
        self.add(f"![{words}]({path.relative_to(self.out.parent).as_posix()})", "")


def made_with(cells: Sequence[dict]) -> str:
    """Devices, versions and time behind some cells."""
    devices = sorted({cell["made"]["device"] for cell in cells})
    versions = sorted({f"vp-science {cell['made']['vp-science']}, jax {cell['made']['jax']}" for cell in cells})
    commits = sorted({cell["made"]["commit"] for cell in cells})
    minutes = round(sum(cell["seconds"] for cell in cells) / 60)
    made = f"{len(cells)} cells, {minutes} min on {', '.join(devices)}"
    return f"{made}; {'; '.join(versions)}; commit {', '.join(commits)}."


def footage(page: Page, cells: list[dict]) -> None:
    """(a) Probes on held-out real recordings, at the size of the model."""
    probes(page, cells, "Probes on held-out real recordings", "probes")


def small_footage(page: Page, cells: list[dict]) -> None:
    """(a) The same at half the size, nearer to that of most of the training."""
    probes(page, cells, "The same recordings at 144 x 144", "probes-144")


def probes(page: Page, cells: list[dict], title: str, name: str) -> None:
    """(a) Trained encoders, random weights, pixels and guessing in the same folds."""
    trained = [arm for arm in dict.fromkeys(cell["key"]["arm"] for cell in cells) if arm not in _OTHERS]
    arms = [*trained, *(arm for arm in _OTHERS if select(cells, arm=arm))]
    page.add(f"## {title}", "",
             "mAP: mean over folds ± standard deviation over folds (seeds are averaged first). Folds in which a single "
             "behavior was tested say nothing and are left out. mAP counts both classes of a pair, so guessing gets "
             "about 0.5 there. The first three studies hold out whole clips; the others have one recording each, cut "
             "into blocks of time: animal and camera are the same on both sides.", "")  # fmt: skip
    for head in HEADS:
        mine = select(cells, head=head)
        if not mine:
            continue
        rows, groups = [], {}
        for study in STUDIES:
            values = {arm: _by_fold(select(mine, arm=arm, study=study.name)) for arm in arms}
            if any(values.values()):
                rows.append([study.title, *(text(values[arm]) if values[arm] else "n/a" for arm in arms)])
                groups[study.name] = {arm: list(values[arm].values()) for arm in arms if values[arm]}
        page.add(f"### Head: {head}", "", *markdown(["study", *arms], rows))
        page.picture(f"{title}, {head}", f"{name}-{head}.svg",
                     lambda path, g=groups, h=head: dots(g, path, title=f"Real recordings, {h} probe",
                                                         label="mAP"))  # fmt: skip
        for arm in trained:
            for other in (name for name in arms if name != arm and name not in trained[: trained.index(arm)]):
                pairs = [_study_means(select(mine, arm=name)) for name in (arm, other)]
                page.add(f"- {arm} minus {other}, over studies: {difference(*pairs).difference()}")
        page.add("")
    page.add(_seeds_of(cells, arms), "", made_with(cells), "")


def _by_fold(cells: Sequence[dict]) -> dict:
    pairs = [(number, fold[MAP]) for cell in cells for number, fold in enumerate(cell["figures"]["folds"])]
    numbers = dict.fromkeys(number for number, value in pairs if value is not None)
    return {n: _mean([value for number, value in pairs if number == n and value is not None]) for n in numbers}


def _study_means(cells: Sequence[dict]) -> dict:
    names = dict.fromkeys(cell["key"]["study"] for cell in cells)
    folds = {name: list(_by_fold(select(cells, study=name)).values()) for name in names}
    return {name: _mean(values) for name, values in folds.items() if values}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _seeds_of(cells: Sequence[dict], arms: Sequence[str]) -> str:
    counts = {arm: len({cell["key"]["seed"] for cell in select(cells, arm=arm)}) for arm in arms}
    return f"Seeds: {', '.join(f'{arm} {count}' for arm, count in counts.items())}."


KINDS = {"motion": "motion only", "appearance": "appearance only", "all": "all behaviors"}
CLAIMS = (
    ("full", STAGE1, "stage 2 beats stage 1"),
    ("stage2", STAGE1, "stage 2 beats stage 1"),
    ("full", LONGER, "stage 2 beats as many clips more of stage 1"),
    ("full", "no_shuffling", "shuffling helps"),
    ("full", "no_global", "global distillation helps (the paper: appearance, not motion)"),
    ("full", "tube_masks", "blocks in runs of frames beat tubes"),
    (STAGE1, UNTRAINED, "stage 1 beats random weights"),
)


def motion(page: Page, cells: list[dict], title: str, name: str) -> None:
    """(b) Drawn behaviors that differ in motion only, appearance only, both."""
    arms = [arm for arm in (UNTRAINED, STAGE1, LONGER, *VARIANTS) if select(cells, arm=arm)]
    arms += [arm for arm in dict.fromkeys(cell["key"]["arm"] for cell in cells) if arm not in arms]
    page.add(f"## {title}", "",
             "Accuracy (mean over behaviors) of frozen probes on clips that no training drew; chance is 0.5 for pairs. "
             "Mean over questions, then mean ± standard deviation over training seeds.", "")  # fmt: skip
    for readout in dict.fromkeys(cell["key"]["readout"] for cell in cells):
        mine = select(cells, readout=readout)
        values = {(arm, kind): _by_seed(select(mine, arm=arm, kind=kind)) for arm in arms for kind in KINDS}
        rows = [[arm, *(text(values[arm, kind]) if values[arm, kind] else "n/a" for kind in KINDS)] for arm in arms]
        page.add(f"### Readout: {readout}", "", *markdown(["encoder", *KINDS.values()], rows))
        groups = {
            KINDS[kind]: {arm: list(values[arm, kind].values()) for arm in arms} for kind in ("motion", "appearance")
        }
        page.picture(f"{title}, {readout}", f"{name}-{readout}.svg",
                     lambda path, g=groups, r=readout: dots(g, path, title=f"Drawn animals, {r} readout",
                                                            label="accuracy", chance=0.5))  # fmt: skip
        for first, second, words in CLAIMS:
            if first in arms and second in arms:
                for kind in KINDS:
                    found = difference(values[first, kind], values[second, kind])
                    page.add(f"- {words}, {KINDS[kind]}: {found.difference()}{_wins(mine, first, second, kind)}")
        page.add("")
    page.add("Differences are paired over training seeds.", "", _seeds_of(cells, arms), "", made_with(cells), "")


def _wins(cells: Sequence[dict], first: str, second: str, kind: str) -> str:
    """In how many pairs of seed and question the first is better."""
    both = [_by_question(select(cells, arm=arm, kind=kind)) for arm in (first, second)]
    pairs = [both[0][unit] > both[1][unit] for unit in both[0] if unit in both[1]]
    return f"; better in {sum(pairs)} of {len(pairs)} pairs of seed and question" if len(pairs) > 1 else ""


def _by_question(cells: Sequence[dict]) -> dict:
    return average(cells, lambda cell: (cell["key"]["seed"], cell["key"]["question"]),
                   lambda cell: cell["figures"]["accuracy"])  # fmt: skip


def ablation(page: Page, cells: list[dict]) -> None:
    """(b) The ablation of the paper in miniature."""
    motion(page, cells, "What stage 2 is good for: an ablation in miniature", "ablation")


def shipped(page: Page, cells: list[dict]) -> None:
    """(b) The encoders of the recipe."""
    motion(page, cells, "The trained encoder on drawn behaviors", "motion")


def arena(page: Page, cells: list[dict]) -> None:
    """(b) The same where nothing else differs."""
    motion(page, cells, "The trained encoder on drawn behaviors, one species alone in one arena", "motion-arena")


def _by_seed(cells: Sequence[dict]) -> dict:
    return average(cells, lambda cell: cell["key"]["seed"], lambda cell: cell["figures"]["accuracy"])


def adaptation(page: Page, cells: list[dict]) -> None:
    """(c) Adaptation to new scenes."""
    arms = [arm for arm in ("before", "continued", "adapted") if select(cells, arm=arm)]
    page.add("## Adaptation to the footage of a new scene", "",
             "mAP of probes before and after `train distill` on unlabelled footage of the scene; \"continued\" trained "
             "as long on the footage that the encoder knew. No tested frame was seen. Mean over folds and seeds ± "
             "standard deviation over both.", "")  # fmt: skip
    for head in HEADS:
        mine = select(cells, head=head)
        scenes = dict.fromkeys(cell["key"]["scene"] for cell in mine)
        values = {(s, arm): _by_unit(select(mine, scene=s, arm=arm), ("fold", "seed")) for s in scenes for arm in arms}
        rows = [
            [scene, *(text(values[scene, arm]) if values[scene, arm] else "n/a" for arm in arms)] for scene in scenes
        ]
        if rows:
            page.add(f"### Head: {head}", "", *markdown(["scene", *arms], rows))
        for other in [arm for arm in arms if arm != "adapted"]:
            both = [_by_unit(select(mine, arm=arm), ("scene", "fold")) for arm in ("adapted", other)]
            if all(both):
                page.add(f"- adapted minus {other}, over scenes and folds: {difference(*both).difference()}")
        page.add("")
    page.add(_seeds_of(cells, arms), "", made_with(cells), "")


def _by_unit(cells: Sequence[dict], names: Sequence[str]) -> dict:
    return average(cells, lambda cell: tuple(cell["key"][name] for name in names),
                   lambda cell: cell["figures"].get("mean", cell["figures"]).get(MAP))  # fmt: skip


def finetuning(page: Page, cells: list[dict]) -> None:
    """(d) Fine-tuning against frozen probes."""
    arms = list(dict.fromkeys(cell["key"]["arm"] for cell in cells))
    page.add("## Fine-tuning against frozen probes", "",
             "mAP on the test side of every fold. Mean over folds and seeds ± standard deviation over both.",
             "")  # fmt: skip
    rows, folds = [], {}
    for study in dict.fromkeys(cell["key"]["study"] for cell in cells):
        for arm in arms:
            folds[study, arm] = _fold_seed(select(cells, study=study, arm=arm))
        rows.append([study, *(text(folds[study, arm]) if folds[study, arm] else "n/a" for arm in arms)])
    page.add(*markdown(["study", *arms], rows))
    for study in dict.fromkeys(study for study, _ in folds):
        for mode in [arm for arm in arms if arm in ("lora", "top", "full")]:
            for frozen in [arm for arm in arms if arm not in ("lora", "top", "full")]:
                one, other = folds[study, mode], folds[study, frozen]
                if one and other:
                    found = difference(one, _for_seeds(other, one)).difference()
                    page.add(f"- {study}: {mode} minus {frozen}, over folds and seeds: {found}")
    page.add("", _seeds_of(cells, arms), "", made_with(cells), "")


def _fold_seed(cells: Sequence[dict]) -> dict:
    found = {}
    for cell in cells:
        fold, seed = cell["key"]["fold"], cell["key"]["seed"]
        parts = cell["figures"]["folds"] if fold is None else {fold: cell["figures"]}
        for number, figures in enumerate(parts) if fold is None else parts.items():
            if figures[MAP] is not None:
                found[number, seed] = figures[MAP]
    return found


def _for_seeds(values: dict, wanted: dict) -> dict:
    """Values at these folds and seeds; where a seed is missing (logistic regression has none), the mean of the fold."""
    found = {}
    for fold, seed in wanted:
        same = [value for (other, _), value in values.items() if other == fold]
        if same:
            found[fold, seed] = values.get((fold, seed), _mean(same))
    return found


def training(page: Page, runs: Path | None, results: Path) -> None:
    """Logs of the trainings, copied beside the results, and their curves."""
    logs = results / "logs"
    for name in PARTS if runs is not None else ():
        if (runs / name / "metrics.jsonl").exists():
            (logs / name).mkdir(parents=True, exist_ok=True)
            for file in ("metrics.jsonl", "settings.toml"):
                shutil.copyfile(runs / name / file, logs / name / file)
    there = {name: logs / name for name in PARTS if (logs / name / "metrics.jsonl").exists()}
    if not there:
        return
    page.add("## The training", "", "Recipes: `recipes/tiny_*.toml`, run by `recipes/train_tiny.sh`. Logs and settings "
             "of the runs: `benchmarks/proof/results/logs`.", "")  # fmt: skip
    for name, run in there.items():
        page.picture(f"training, {name}", f"training-{name}.svg",
                     lambda path, n=name, r=run: curves({n: r}, path, n.replace("_", " ")))  # fmt: skip


def write(results: Path, out: Path, images: Path, runs: Path | None) -> Path:
    """The page, of all results that are there; what is missing is named."""
    page = Page(out, images)
    page.add("# Results", "", "Written by `python -m benchmarks.proof.write_results` from "
             "`benchmarks/proof/results/*.json`. A difference counts as shown when its 95 % interval excludes zero; "
             "otherwise the text says so. Intervals are Student's t over the units that are named; they are few, and "
             "not all independent. Which recordings trained and which evaluate: `recipes/footage_split.csv`.",
             "")  # fmt: skip
    training(page, runs, results)
    sections = (
        ("probes_on_footage.json", "probes_on_footage", footage),
        ("probes_on_footage_144.json", "probes_on_footage", small_footage),
        ("ablation.json", "motion_probes", ablation),
        ("motion_probes.json", "motion_probes", shipped),
        ("motion_probes_arena.json", "motion_probes", arena),
        ("adaptation.json", "adaptation", adaptation),
        ("finetune_vs_probe.json", "finetune_vs_probe", finetuning),
    )
    missing = []
    for name, what, section in sections:
        if (results / name).exists() and (cells := read_cells(results / name, what)):
            section(page, cells)
        else:
            missing.append(name)
    if (results / TRIED).exists():
        page.add((results / TRIED).read_text("utf-8").rstrip("\n"), "")
    if missing:
        page.add(f"Not measured yet: {', '.join(missing)}.", "")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n".join(page.lines).rstrip("\n") + "\n", encoding="utf-8")
    return out


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--out", type=Path, default=DOCS / "results.md")
    parser.add_argument("--images", type=Path, default=DOCS / "images" / "results")
    parser.add_argument("--runs", type=Path, help="folder of the trainings, for their logs and curves")
    given = parser.parse_args(arguments)
    print(write(given.results, given.out, given.images, given.runs))


if __name__ == "__main__":
    main()
