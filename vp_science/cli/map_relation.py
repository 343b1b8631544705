"""How the relation of clusters and labels is printed."""

from typing import Any

from vp_science.maps.map import NO_CLUSTER, Map
from vp_science.maps.relation import Relation
from vp_science.timeline.names import listed

_SHOWN = 3


def print_relation(made: Map, relation: Relation) -> None:
    """The measures, and a table of clusters."""
    from rich.console import Console

    console = Console()
    console.print(
        f"{relation.observed_s:.1f} s observed, {relation.num_points:,} points counted: AMI {relation.ami:.3f}, "
        f"homogeneity {relation.homogeneity:.3f}, completeness {relation.completeness:.3f}, purity "
        f"{relation.purity:.3f}",
        highlight=False,
    )
    if relation.ami_recordings == relation.ami_recordings:
        console.print(f"AMI of clusters with recordings: {relation.ami_recordings:.3f}", highlight=False)
    if relation.ami_recordings > relation.ami:
        hint = "" if made.model.settings.center_recordings else " Try --center-recordings."
        console.print(
            "Clusters tell recordings apart better than behaviors: they may show cages, cameras or animals." + hint,
            highlight=False,
        )
    if relation.unlabelled:
        console.print(f"recordings without labels, left out: {listed(list(relation.unlabelled))}", highlight=False)
    console.print(_table(made, relation))


def _table(made: Map, relation: Relation) -> Any:
    """What takes most of the observed time of every cluster; ``--json`` has all numbers."""
    from rich.table import Table
    from rich.text import Text

    table = Table()
    table.add_column("cluster", overflow="fold")
    table.add_column("observed s", justify="right")
    table.add_column("share of behaviors in it", overflow="fold")
    names = made.names() | {-1: NO_CLUSTER}
    for number, row in relation.table.iterrows():
        total, ordered = float(row.sum()), row.sort_values(ascending=False, kind="stable")
        shares = [f"{name} {100 * value / total:.0f}%" for name, value in ordered.items() if value > 0][:_SHOWN]
        label = f"{number} {names[number]}" if number >= 0 and made.clusters["name"][number] else names[number]
        table.add_row(*map(Text, (label, f"{total:.1f}", ", ".join(shares))))
    return table
