"""Rebuild what `data/` holds of derived files, bit for bit: `python -m dpoq_lab.commands.build_data`."""

from pathlib import Path

from dpoq_lab.models import build_tiny_tokenizer
from dpoq_lab.order_notes.language import held_out_seed, order_pairs, order_tokenizer, stitching_pairs
from dpoq_lab.paths import data_folder
from dpoq_lab.preferences import usable_pairs, write_pairs

TRAIN, HELD_OUT = 0, held_out_seed(0)  # the seeds of the splits; `language_study` reads the same pairs


def tiny_tokenizer(folder: Path) -> None:
    """Train the tokenizer of `tiny` on the train part of the course's pairs and save it."""
    pairs = usable_pairs(data_folder() / "courtesy" / "train.jsonl")
    texts = [text for pair in pairs for text in (pair.prompt[0]["content"], pair.chosen, pair.rejected)]
    build_tiny_tokenizer(texts).save_pretrained(folder)


def order_notes(folder: Path) -> None:
    """Write the splits of order notes and their tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    write_pairs(order_pairs(2000, TRAIN), folder / "train.jsonl")
    write_pairs(order_pairs(300, HELD_OUT), folder / "held_out.jsonl")
    write_pairs(stitching_pairs(2000, TRAIN, slips=1), folder / "stitching_train.jsonl")
    write_pairs(stitching_pairs(300, HELD_OUT, slips=2), folder / "stitching_test.jsonl")
    order_tokenizer().save_pretrained(folder / "tokenizer")


if __name__ == "__main__":
    tiny_tokenizer(data_folder() / "tiny_tokenizer")
    order_notes(data_folder() / "order_notes")
