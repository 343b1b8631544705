"""The figures of an evaluation on the model card of a probe that was trained with the same settings."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vp_science.errors import ProbeError
from vp_science.probes.parameters import describe_parameters
from vp_science.probes.probe import Probe
from vp_science.probes.report import FORMAT, SCHEMA, EvaluationReport
from vp_science.store.provenance import json_differences
from vp_science.typing import StrPath

_MAX_BYTES = 256 << 20
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
        content, where = _read(Path(evaluation)), str(evaluation)
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


def _read(path: Path) -> dict[str, Any]:
    try:
        if (size := path.stat().st_size) > _MAX_BYTES:
            raise ProbeError(f"expected an evaluation of at most {_MAX_BYTES >> 20} MiB at {path}, found {size >> 20}")
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProbeError(
            f"cannot read {path} ({error.strerror or error}): give the evaluation.json of a report"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ProbeError(f"expected an evaluation at {path}, found something else ({error})") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ProbeError(f"expected an evaluation at {path}, found something else: give what probe evaluate wrote")
    if content.get("schema") != SCHEMA:
        raise ProbeError(f"expected schema {SCHEMA} in {path}, found {content.get('schema')!r}: upgrade vp-science")
    return content
