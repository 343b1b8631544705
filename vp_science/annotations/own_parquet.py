"""The project's own tables as one Parquet file: bouts as rows, observed intervals and catalogue in its metadata."""

import json
from pathlib import Path

import pandas as pd

from vp_science.annotations.formats import ReadOptions, WriteOptions
from vp_science.annotations.text_tables import bad
from vp_science.errors import AnnotationError, require_extra
from vp_science.files import write_atomically
from vp_science.timeline.annotations import OBSERVED_COLUMNS, Annotations
from vp_science.timeline.behaviors import Behaviors

_KEY = b"vp_science.annotations"


def matches(path: Path, head: bytes) -> bool:
    """A Parquet file (its first bytes say so)."""
    return head[:4] == b"PAR1"


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read the bouts, and the observed intervals and catalogue if it is our own file."""
    parquet = require_extra("pyarrow.parquet", "formats")
    arrow = require_extra("pyarrow", "formats")
    try:
        table = parquet.read_table(path)
        extra = json.loads((table.schema.metadata or {}).get(_KEY, b"{}"))
        observed = pd.DataFrame(extra.get("observed", []), columns=list(OBSERVED_COLUMNS))
        behaviors = Behaviors.from_json(extra["behaviors"]) if "behaviors" in extra else None
        return Annotations.of(table.to_pandas(), observed, behaviors)
    except AnnotationError as error:
        raise AnnotationError(f"{path}: {error}") from error
    except (OSError, ValueError, TypeError, AttributeError, arrow.ArrowException) as error:
        raise bad(path, "a Parquet file with a bout table", str(error)) from error


def write(annotations: Annotations, path: Path, options: WriteOptions) -> list[Path]:
    """Write everything into one file."""
    parquet, arrow = require_extra("pyarrow.parquet", "formats"), require_extra("pyarrow", "formats")
    extra = {"behaviors": annotations.behaviors.to_json(), "observed": annotations.observed.to_dict(orient="records")}
    table = arrow.Table.from_pandas(annotations.bouts, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _KEY: json.dumps(extra).encode()})
    write_atomically(path, lambda file: parquet.write_table(table, file))
    return [path]
