"""The parameters of a probe as plain JSON."""

from typing import Any

from vp_science.probes.probe import Probe


def describe_parameters(probe: Probe) -> dict[str, Any]:
    """What ``get_params`` gives, with rules and sequences as JSON."""
    values: dict[str, Any] = probe.get_params()
    rules, validation = values["postprocess"], values["validation"]
    return values | {
        "postprocess": rules if rules is None or isinstance(rules, str) else rules.to_json(),
        "validation": None if validation is None else list(validation),
    }
