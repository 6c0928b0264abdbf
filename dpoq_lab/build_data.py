"""Rebuild what `data/` holds of derived files: `python -m dpoq_lab.build_data`."""

from pathlib import Path

from dpoq_lab.models import build_tiny_tokenizer
from dpoq_lab.paths import data_folder
from dpoq_lab.preferences import usable_pairs


def tiny_tokenizer(folder: Path) -> None:
    """Train the tokenizer of `tiny` on the train part of the course's pairs and save it."""
    pairs = usable_pairs(data_folder() / "courtesy" / "train.jsonl")
    texts = [text for pair in pairs for text in (pair.prompt[0]["content"], pair.chosen, pair.rejected)]
    build_tiny_tokenizer(texts).save_pretrained(folder)


if __name__ == "__main__":
    tiny_tokenizer(data_folder() / "tiny_tokenizer")
