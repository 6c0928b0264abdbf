"""The derived files of `data/`: the command writes them again bit for bit, and their splits are clean."""

import filecmp
import json
import re
from types import SimpleNamespace

import pytest

from dpoq_lab.commands import build_data
from dpoq_lab.commands.build_data import order_notes
from dpoq_lab.order_notes.language import flaws_of
from dpoq_lab.paths import data_folder
from dpoq_lab.preferences import Pair, read_pairs

FOLDER = data_folder() / "order_notes"
PARTS = ("train", "held_out", "stitching_train", "stitching_test")


@pytest.fixture(scope="module")
def pairs():
    readings = {part: read_pairs(FOLDER / f"{part}.jsonl") for part in PARTS}
    assert all(reading.problems == [] for reading in readings.values())
    return {part: reading.pairs for part, reading in readings.items()}


def test_the_command_writes_every_file_again_bit_for_bit(tmp_path):
    order_notes(tmp_path)
    shipped = sorted(path.relative_to(FOLDER) for path in FOLDER.rglob("*") if path.is_file())
    built = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert [str(path) for path in shipped if path.name != "README.md"] == [str(path) for path in built]
    same, different, broken = filecmp.cmpfiles(FOLDER, tmp_path, list(map(str, built)), shallow=False)
    assert (different, broken) == ([], [])
    assert len(same) >= 6


def test_every_error_is_marked(pairs):
    for pair in pairs["held_out"] + pairs["stitching_test"]:
        assert pair.chosen_flaws == flaws_of(pair.prompt, pair.chosen)
        assert pair.rejected_flaws == flaws_of(pair.prompt, pair.rejected)


def test_stitching_trains_on_one_error_and_tests_on_two(pairs):
    for part, errors in (("stitching_train", 1), ("stitching_test", 2)):
        assert {len(pair.rejected_flaws) for pair in pairs[part]} == {errors}
        assert {pair.chosen_flaws for pair in pairs[part]} == {()}


def test_no_held_out_prompt_stands_in_the_training_parts(pairs):
    prompts = {part: {pair.prompt for pair in found} for part, found in pairs.items()}
    assert prompts["held_out"].isdisjoint(prompts["train"])
    assert prompts["stitching_test"].isdisjoint(prompts["stitching_train"] | prompts["train"])


def test_the_card_says_what_is_there(pairs):
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    for part, found in pairs.items():
        assert re.search(rf"`{part}.jsonl`\s*\|\s*{len(found)}\b", card)
    vocabulary = json.loads((FOLDER / "tokenizer" / "tokenizer.json").read_text(encoding="utf-8"))
    assert f"{len(vocabulary['model']['vocab'])} in all" in card
    clean = sum(pair.chosen_flaws == () for pair in pairs["train"]) / len(pairs["train"])
    assert f"{clean:.0%} of chosen replies hold no error" in card


def test_the_tokenizer_of_tiny_is_trained_on_prompt_chosen_and_rejected(monkeypatch, tmp_path):
    pairs = [
        Pair([{"role": "user", "content": "a"}], "b", "c"),
        Pair([{"role": "user", "content": "d"}], "e", "f"),
    ]
    asked = []
    monkeypatch.setattr(build_data, "usable_pairs", lambda path: asked.append(path) or pairs)
    saver = SimpleNamespace(save_pretrained=asked.append)
    monkeypatch.setattr(build_data, "build_tiny_tokenizer", lambda texts: asked.append(texts) or saver)
    build_data.tiny_tokenizer(tmp_path)
    assert asked == [data_folder() / "courtesy" / "train.jsonl", list("abcdef"), tmp_path]


def test_each_part_has_its_seed_its_size_and_its_errors(monkeypatch, tmp_path):
    """Into a folder that is made, with those above it, and may be there."""
    asked = []
    for name in ("order_pairs", "stitching_pairs"):
        monkeypatch.setattr(build_data, name, lambda *given, name=name, **named: (name, given, named))
    monkeypatch.setattr(build_data, "write_pairs", lambda pairs, path: asked.append((path.name, *pairs)))
    saver = SimpleNamespace(save_pretrained=lambda path: asked.append(path))
    monkeypatch.setattr(build_data, "order_tokenizer", lambda: saver)
    held_out = build_data.held_out_seed(0)
    for _ in range(2):
        order_notes(tmp_path / "a" / "b")
    assert asked[:5] == [
        ("train.jsonl", "order_pairs", (2000, 0), {}),
        ("held_out.jsonl", "order_pairs", (300, held_out), {}),
        ("stitching_train.jsonl", "stitching_pairs", (2000, 0), {"slips": 1}),
        ("stitching_test.jsonl", "stitching_pairs", (300, held_out), {"slips": 2}),
        tmp_path / "a" / "b" / "tokenizer",
    ]
