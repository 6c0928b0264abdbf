"""The pairs that ship: written and not templated, marked exactly, split cleanly."""

import json
import re
from collections import Counter
from difflib import SequenceMatcher

import pytest

from dpoq_lab.paths import data_folder
from dpoq_lab.preferences import read_pairs

FOLDER = data_folder() / "courtesy"


@pytest.fixture(scope="module")
def records():
    texts = {part: (FOLDER / f"{part}.jsonl").read_text(encoding="utf-8") for part in ("train", "held_out")}
    return {part: [json.loads(line) for line in text.splitlines()] for part, text in texts.items()}


@pytest.fixture(scope="module")
def everything(records):
    return records["train"] + records["held_out"]


def test_there_are_enough_and_none_is_unusable(records):
    for part in records:
        reading = read_pairs(FOLDER / f"{part}.jsonl")
        assert reading.problems == []
    assert len(records["train"]) + len(records["held_out"]) >= 400
    assert len(records["held_out"]) >= 100


def words(text):
    return text.split()


def changed_words(record):
    """How many words the edit replaces or inserts, on the side where they are more."""
    a, b = words(record["chosen"]), words(record["rejected"])
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
    return sum(max(a1 - a0, b1 - b0) for kind, a0, a1, b0, b1 in blocks if kind != "equal")


def test_at_least_half_are_minimal_edits_of_one_to_four_words(everything):
    small = [record for record in everything if changed_words(record) <= 4]
    assert len(small) >= len(everything) / 2


def test_every_span_holds_whole_words_and_stays_inside(everything):
    for record in everything:
        text, end_before = record["rejected"], 0
        assert record["rejected_flaws"]
        for start, end in record["rejected_flaws"]:
            assert end_before <= start < end <= len(text)
            marked = text[start:end]
            assert marked == marked.strip()
            assert not (text[max(start - 1, 0)].isalnum() and start > 0 and marked[0].isalnum())
            assert not (end < len(text) and text[end].isalnum() and marked[-1].isalnum())
            end_before = end


def test_in_a_minimal_edit_all_that_differs_is_marked(everything):
    """Outside its marks a minimal rejected reply says nothing that the chosen one does not say."""
    minimal = [record for record in everything if record["edit"] == "minimal"]
    assert len(minimal) >= len(everything) / 2
    for record in minimal:
        kept = list(record["rejected"])
        for start, end in record["rejected_flaws"]:
            kept[start:end] = " " * (end - start)
        rest = re.findall(r"\w+", "".join(kept))
        remaining = iter(re.findall(r"\w+", record["chosen"]))
        assert all(word in remaining for word in rest), record["rejected"]


def test_no_held_out_response_stands_in_the_training_part(records):
    def responses(part):
        return {record[role].strip().lower() for record in records[part] for role in ("chosen", "rejected")}

    assert responses("train").isdisjoint(responses("held_out"))
    prompts = [{record["instruction"].lower() for record in records[part]} for part in records]
    assert prompts[0].isdisjoint(prompts[1])


def test_nothing_is_said_twice(everything):
    texts = [record[role].lower() for record in everything for role in ("chosen", "rejected")]
    assert max(Counter(texts).values()) == 1
    assert max(Counter(record["instruction"].lower() for record in everything).values()) == 1


COMMON = """
    a an the is are was of to in on at for with and or but if you your it its that this so as can will by
    from be not have has i me my we they them there then than into until before after while when which who
""".split()


def frame(text):
    """A sentence with its content words blanked: what a template would leave behind."""
    return " ".join(word if word in COMMON else "_" for word in re.findall(r"[\w']+", text.lower()))


def repeated_frames(texts):
    return [count for count in Counter(map(frame, texts)).values() if count > 2]


def test_no_sentence_frame_comes_back(everything):
    for role in ("instruction", "chosen", "rejected"):
        assert repeated_frames([r[role] for r in everything if len(words(r[role])) >= 6]) == []
    openings = Counter(" ".join(words(record["chosen"].lower())[:3]) for record in everything)
    assert max(openings.values()) <= 3
    flaws = Counter(
        record["rejected"][s:e].lower() for record in everything for s, e in record["rejected_flaws"]
    )
    assert max(flaws.values()) <= 4


def test_the_frame_count_would_catch_a_template():
    templated = [
        f"The capital of {x} is {y}, as you may know."
        for x, y in (("Peru", "Lima"), ("Mali", "Bamako"), ("Fiji", "Suva"))
    ]
    assert repeated_frames(templated) == [3]


def test_every_kind_of_flaw_is_in_both_parts(records):
    for part in records.values():
        kinds = Counter(record["kind"] for record in part)
        assert set(kinds) == {"rude", "curt", "evasive", "wrong"}
        assert min(kinds.values()) >= len(part) / 10


def test_the_cards_say_what_is_there(records):
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    for part, rows in records.items():
        assert re.search(rf"`{part}.jsonl`\s*\|\s*{len(rows)}\b", card)
    assert "Apache-2.0" in card
