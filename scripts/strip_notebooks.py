"""Brings notebooks into the form in which they are kept: no outputs, no counts, no metadata of the editor.

    python scripts/strip_notebooks.py notebooks/*.ipynb

What a notebook shows is made when the guide is built and when the tests run; kept beside the text it would grow old,
and every run would be a change. "make format" calls this.
"""

import sys
from pathlib import Path

import nbformat

_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def stripped(text: str) -> str:
    """The JSON of a notebook as it is kept.

    Args:
        text: the JSON of a notebook, run or not.

    Raises:
        nbformat.ValidationError: it is no notebook of version 4.
    """
    notebook = nbformat.reads(text, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    notebook.metadata = nbformat.from_dict(_METADATA)
    for cell in notebook.cells:
        cell.metadata = {}
        cell.pop("attachments", None)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nbformat.writes(notebook) + "\n"


def main() -> None:
    """Strip the notebooks that are named."""
    for path in map(Path, sys.argv[1:]):
        before = path.read_text(encoding="utf-8")
        if (after := stripped(before)) != before:
            path.write_text(after, encoding="utf-8")
            print(f"{path}: stripped")


if __name__ == "__main__":
    main()
