"""The figures of an evaluation on the model card of a probe that was trained with the same settings."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vp_science.errors import ProbeError
from vp_science.probes.evaluation_file import read_evaluation_json
from vp_science.probes.parameters import describe_parameters
from vp_science.probes.probe import Probe
from vp_science.probes.report import EvaluationReport
from vp_science.store.provenance import json_differences
from vp_science.typing import StrPath

_NOT_COMPARED = ("name",)


def attach_evaluation(probe: Probe, evaluation: EvaluationReport | StrPath) -> None:
    """Put the figures of an evaluation on the card of a fitted probe (``evaluation_``).

    Args:
        probe: fitted with the settings, behaviors and kind of tracks that were evaluated.
        evaluation: a report, or its ``evaluation.json``.

    Raises:
        ProbeError: naming what differs, when other settings were evaluated, or the file is not an evaluation.
    """
    if isinstance(evaluation, EvaluationReport):
        content, where = evaluation.to_json(), "the report"
    else:
        content, where = read_evaluation_json(Path(evaluation)), str(evaluation)
    try:
        evaluated = {
            "settings": _comparable(content["settings"]["probe"]),
            "behaviors": [content["behaviors"]["exclusive"], [e["name"] for e in content["behaviors"]["entries"]]],
            "tracks": content["settings"]["tracks"],
        }
        figures = content["card"]
    except (KeyError, TypeError) as error:
        raise ProbeError(f"expected an evaluation in {where}, found a damaged one ({error}): evaluate again") from error
    own = {
        "settings": _comparable(describe_parameters(probe)),
        "behaviors": [probe.behaviors_.exclusive, list(probe.behaviors_.names)],
        "tracks": probe.track_settings_,
    }
    if found := json_differences(json.loads(json.dumps(own)), evaluated):
        raise ProbeError(
            f"expected an evaluation of a probe with the same settings in {where}, found differences: "
            f"{'; '.join(found)}. Evaluate with the settings of this probe"
        )
    probe.evaluation_ = figures


def _comparable(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if name not in _NOT_COMPARED}
