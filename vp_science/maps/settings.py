"""What a map is made with: every choice, recorded in the map."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from vp_science.errors import MapError

Method = Literal["umap", "tsne", "pacmap", "pca"]
Clustering = Literal["hdbscan", "kmeans"]
Space = Literal["map", "pca"]
METHODS, CLUSTERINGS, SPACES = ("umap", "tsne", "pacmap", "pca"), ("hdbscan", "kmeans"), ("map", "pca")

_ONLY_FOR = {
    "num_neighbors": ("method", ("umap", "pacmap"), 15),
    "min_dist": ("method", ("umap",), 0.1),
    "num_epochs": ("method", ("umap",), None),
    "perplexity": ("method", ("tsne",), 30.0),
    "min_cluster_size": ("cluster", ("hdbscan",), None),
    "min_samples": ("cluster", ("hdbscan",), 10),
    "num_clusters": ("cluster", ("kmeans",), 20),
}
"""Options that only some methods know, and what they are when nobody says; None: it depends on the number of points."""

_RANGES: dict[str, tuple[float, float]] = {
    "num_pca": (2, 1000),
    "fit_points": (20, 10_000_000),
    "stability_repeats": (0, 100),
    "seed": (0, 2**32 - 1),
    "num_neighbors": (2, 500),
    "min_dist": (0, 0.99),
    "num_epochs": (3, 100_000),
    "perplexity": (1, 1000),
    "min_cluster_size": (2, 10_000_000),
    "min_samples": (1, 10_000),
    "num_clusters": (2, 10_000),
}


@dataclass(frozen=True)
class MapSettings:
    """How a map is made. An option that is None takes its usual value; one that the method does not know is refused.

    Attributes:
        method: ``"umap"``, ``"tsne"``, ``"pacmap"`` or ``"pca"`` (the first two components).
        num_pca: principal components that are kept; distances are taken among them.
        unit_length: scales every vector to length 1 first, so that distances are those of angles.
        center_recordings: subtracts from every recording its own mean first: cage, camera and light, which do not
            change, then part recordings less. What an animal does all the time goes with it.
        num_neighbors: of every point (UMAP, PaCMAP; 15): few show detail, many the whole.
        min_dist: how close points may lie in the map (UMAP; 0.1).
        num_epochs: turns of the layout (UMAP; 500 for up to 10,000 points, else 200).
        perplexity: of t-SNE (30).
        cluster: ``"hdbscan"``, ``"kmeans"`` or None for no clusters.
        cluster_space: where clusters are looked for, in the ``"map"`` (usual for HDBSCAN) or among the principal
            components, ``"pca"`` (usual for k-means).
        min_cluster_size: points of the smallest cluster (HDBSCAN; one in 100 of the points, at least 10).
        min_samples: how dense it must be around a point (HDBSCAN; 10): more gives more points without a cluster.
        num_clusters: of k-means (20).
        stability_repeats: how often clusters are looked for again in one half of the points, to see which come back.
        fit_points: the layout and the clusters are made of at most so many points; the others are placed among them.
        seed: of everything random.
    """

    method: Method = "umap"
    num_pca: int = 50
    unit_length: bool = False
    center_recordings: bool = False
    num_neighbors: int | None = None
    min_dist: int | float | None = None
    num_epochs: int | None = None
    perplexity: int | float | None = None
    cluster: Clustering | None = "hdbscan"
    cluster_space: Space | None = None
    min_cluster_size: int | None = None
    min_samples: int | None = None
    num_clusters: int | None = None
    stability_repeats: int = 4
    fit_points: int = 50_000
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, known in (
            ("method", self.method, METHODS),
            ("cluster", self.cluster, (None, *CLUSTERINGS)),
            ("cluster_space", self.cluster_space, (None, *SPACES)),
        ):
            if value not in known:
                raise MapError(f"{name}: expected one of {', '.join(map(str, known))}, found {value!r}")
        for name, (low, high) in _RANGES.items():
            number = getattr(self, name)
            if number is not None and not low <= number <= high:
                raise MapError(f"{name}: expected a number from {low:g} to {high:g}, found {number}")
        for name, (choice, methods, _) in _ONLY_FOR.items():
            if getattr(self, name) is not None and getattr(self, choice) not in methods:
                raise MapError(
                    f"expected {name} with {choice} {' or '.join(methods)} only, found it with {choice} "
                    f"{getattr(self, choice)}: leave it out"
                )
        if self.cluster is None and self.cluster_space is not None:
            raise MapError("cluster_space is where clusters are looked for, found no clustering: leave it out")

    def completed(self, num_points: int, dim: int) -> "MapSettings":
        """With a number for every option that is used, for so many fit points of ``dim`` numbers."""
        filled: dict[str, Any] = {
            name: default
            for name, (choice, methods, default) in _ONLY_FOR.items()
            if getattr(self, name) is None and getattr(self, choice) in methods
        }
        if "num_epochs" in filled:
            filled["num_epochs"] = 500 if num_points <= 10_000 else 200
        if "min_cluster_size" in filled:
            filled["min_cluster_size"] = max(10, round(num_points / 100))
        if self.cluster is not None and self.cluster_space is None:
            filled["cluster_space"] = "map" if self.cluster == "hdbscan" else "pca"
        values = asdict(self) | filled | {"num_pca": min(self.num_pca, num_points, dim)}
        most = {"num_neighbors": num_points - 1, "perplexity": (num_points - 1) / 3, "num_clusters": num_points}
        most |= {"min_samples": num_points, "min_cluster_size": num_points}
        for name, limit in most.items():
            if values[name] is not None:
                values[name] = min(values[name], limit)
        return MapSettings(**values)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "MapSettings":
        """Read what ``to_json`` wrote.

        Raises:
            MapError: when a key is missing or unknown, or a value is out of range.
        """
        expected = {field.name for field in fields(cls)}
        if expected != set(record):
            raise MapError(
                f"expected map settings with the keys {', '.join(sorted(expected))}, found "
                f"{', '.join(map(str, record))}: read the map with the version of vp-science that wrote it"
            )
        for name, value in record.items():
            if not _fits(name, value):
                raise MapError(f"expected map settings of the right types, found {name}={value!r}: the map is damaged")
        return cls(**record)


def _fits(name: str, value: object) -> bool:
    if name in ("unit_length", "center_recordings"):
        return isinstance(value, bool)
    if name in ("method", "cluster", "cluster_space"):
        return value is None or isinstance(value, str)
    kinds: Any = int | float if name in ("min_dist", "perplexity") else int
    return value is None or (isinstance(value, kinds) and not isinstance(value, bool))
