"""Options about following animals, which several verbs share."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from vp_science.video.crop_path import FollowSettings

_ANIMALS = "Animals"

PosesOption = Annotated[
    str | None,
    typer.Option(
        help="Follow animals: a folder (or quoted pattern) with a pose file per recording, or one file for one "
        "recording; of SLEAP, DeepLabCut, JABS or CVAT.",
        metavar="DIR|FILE",
        rich_help_panel=_ANIMALS,
    ),
]
SubjectOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Follow only this animal of the pose files; NAME=NEW gives it the name that your labels use. Repeat it.",
        metavar="NAME[=NEW]",
        rich_help_panel=_ANIMALS,
    ),
]
PairsOption = Annotated[
    bool, typer.Option("--pairs", help="Follow every pair too; needs --follow-rotate.", rich_help_panel=_ANIMALS)
]
NoWholeFrameOption = Annotated[
    bool, typer.Option("--no-whole-frame", help="Embed only the animals.", rich_help_panel=_ANIMALS)
]
FollowSizeOption = Annotated[
    float | None, typer.Option(help="Side of the picture in body lengths; 1.5 by default.", rich_help_panel=_ANIMALS)
]
FollowMarginOption = Annotated[
    float | None, typer.Option(help="Body lengths added on every side; 0.25 by default.", rich_help_panel=_ANIMALS)
]
FollowSizePxOption = Annotated[
    int | None, typer.Option(help="Side of the picture in pixels, instead of body lengths.", rich_help_panel=_ANIMALS)
]
FollowRotateOption = Annotated[
    bool, typer.Option("--follow-rotate", help="Turn pictures so that the animal looks up.", rich_help_panel=_ANIMALS)
]
FollowAxisOption = Annotated[
    tuple[str, str] | None,
    typer.Option(
        help="Front and back point of the body, where they have unusual names.",
        metavar="FRONT BACK",
        rich_help_panel=_ANIMALS,
    ),
]
FollowSmoothOption = Annotated[
    float | None,
    typer.Option(help="Smooth the path over this many seconds; 0.1 by default.", rich_help_panel=_ANIMALS),
]
FollowMaxGapOption = Annotated[
    float | None,
    typer.Option(help="Bridge gaps of at most this many seconds; 0.5 by default.", rich_help_panel=_ANIMALS),
]
FollowMinPointsOption = Annotated[
    int | None, typer.Option(help="Visible points that make an animal seen; 1 by default.", rich_help_panel=_ANIMALS)
]
FollowMinScoreOption = Annotated[
    float | None,
    typer.Option(
        help="Score that makes a point visible; by default 0.6 for DeepLabCut and 0.3 for JABS.",
        rich_help_panel=_ANIMALS,
    ),
]


def follow_settings(**given: Any) -> "FollowSettings | None":
    """Settings of the options that were given; None when there is none.

    Raises:
        SettingsError: when a value is out of range.
    """
    from vp_science.video.crop_path import FollowSettings

    if given["size_px"] is not None and (given["size_body_lengths"] is not None or given["margin"] is not None):
        raise typer.BadParameter(
            "expected a size in pixels or in body lengths, found both: drop one", param_hint="--follow-size-px"
        )
    named = {name: value for name, value in given.items() if value is not None}
    return FollowSettings(**named) if named else None


def subject_names(given: list[str] | None) -> dict[str, str] | None:
    """``NAME`` and ``NAME=NEW``, in order; None when there is none."""
    if not given:
        return None
    parts = [text.partition("=") for text in given]
    names = [old for old, _, _ in parts]
    if len(set(names)) < len(names):
        raise typer.BadParameter(f"expected each animal once, found {', '.join(names)}", param_hint="--subject")
    return {old: new or old for old, _, new in parts}
