"""Where the kit's own files lie: the lessons and their data, in the clone that was installed."""

from pathlib import Path


def kit_folder() -> Path:
    """The root of the clone. Raises FileNotFoundError if the package was installed without it."""
    root = Path(__file__).resolve().parent.parent
    if not (root / "data").is_dir() or not (root / "notebooks").is_dir():
        raise FileNotFoundError(
            "the lessons and data are not beside the package: install with `pip install -e .`"
        )
    return root


def data_folder() -> Path:
    """The pairs, tokenizers and stored runs that travel with the kit."""
    return kit_folder() / "data"


def runs_folder() -> Path:
    """Where lessons keep what they train: `runs/` in the clone, which git ignores."""
    return kit_folder() / "runs"
