"""Run lessons at the `ci` preset and keep only the outputs that nbval compares.

For maintainers, after a change to a lesson: `python tests/refresh_lessons.py [NOTEBOOK ...]`.
"""

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


def refresh(path: Path) -> None:
    """Execute one lesson in place and strip it but for cells tagged `keep_output`."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        coalesce_streams=True,
        resources={"metadata": {"path": path.parent}},
    ).execute()
    strip(notebook)
    nbformat.write(notebook, path)


def strip(notebook: nbformat.NotebookNode) -> None:
    """Drop outputs, counts and widget state except the outputs and counts of kept cells."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code" and "keep_output" not in cell.metadata.get("tags", []):
            cell.outputs, cell.execution_count = [], None


if __name__ == "__main__":
    os.environ["DPOQ_PRESET"] = "ci"
    for name in sys.argv[1:] or sorted(map(str, NOTEBOOKS.glob("*.ipynb"))):
        refresh(Path(name))
        print(f"refreshed {name}")
