"""How long every lesson runs, from a fresh kernel to its last cell: the `runs` of its `lecture.toml`.

For maintainers: `python tests/time_lessons.py [NOTEBOOK ...]` prints the median and the spread of three runs
in seconds, at the preset of this machine or `DPOQ_PRESET`. Run it when the machine does nothing else.
"""

import sys
import time
from pathlib import Path
from statistics import median

import nbformat
from nbclient import NotebookClient

from dpoq_lab.paths import kit_folder


def seconds(path):
    """One run of all cells, the start of the kernel included."""
    notebook = nbformat.read(path, as_version=4)
    start = time.perf_counter()
    NotebookClient(notebook, timeout=1200, resources={"metadata": {"path": path.parent}}).execute()
    return time.perf_counter() - start


def main():
    paths = [Path(name) for name in sys.argv[1:]] or sorted((kit_folder() / "notebooks").glob("*.ipynb"))
    for path in paths:
        taken = [seconds(path) for _ in range(3)]
        print(f"{path.stem}: {median(taken):.1f} s ({min(taken):.1f} to {max(taken):.1f})", flush=True)


if __name__ == "__main__":
    main()
