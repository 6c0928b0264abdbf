"""What `check` says: problems first, one pair as it is read, counts, what is noteworthy."""

import json

import pytest

from dpoq_lab.commands import scorer
from dpoq_lab.commands.check import Report, _line, check
from dpoq_lab.sources import Problem

ROWS = [
    {"prompt": "Sky?\n", "chosen": " Blue, I think.", "rejected": " Soup.", "rejected_flaws": [[1, 5]]},
    {"prompt": "Sea?\n", "chosen": " Green.", "rejected": " Bread or so."},
    {"prompt": "Sun?\n", "chosen": " Round."},
    {"prompt": [{"role": "user", "content": "Moon?"}], "chosen": "Pale.", "rejected": "Cheese."},
]


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return str(tmp_path / "a.jsonl")


def test_a_report_as_lines():
    report = Report(3, {"b": 1, "a": 2}, 1, [Problem("f:2", "", "is bad")], 4, ["told"], ["shown"])
    assert report.text().split("\n") == [
        *("f:2: is bad", "shown", "3 usable pairs (2 a, 1 b)", "1 with marked flaws"),
        *("4 with a truncated response (its sum lacks the EOS term)", "told", "1 unusable"),
    ]
    empty = ["0 usable pairs", "0 with marked flaws", "0 unusable"]
    assert Report(0, {}, 0, [], None).text().split("\n") == empty


def test_without_a_model_the_first_pair_is_shown_by_who_says_what(path):
    report = check(path)
    assert (report.usable, report.with_flaws, report.truncated, len(report.problems)) == (3, 1, None, 1)
    assert report.forms == {"standard": 2, "conversational": 1}
    assert report.shown == [
        f"the first pair ({path}:1):",
        "  prompt: Sky?\u21b5",
        "  chosen:  Blue, I think.",
        "  rejected:  Soup.",
    ]


def test_with_a_model_each_action_stands_in_brackets_and_pairs_come_in_chunks(path, monkeypatch):
    """Room for 8 tokens: the first pair fits but for an end, another is cut."""
    monkeypatch.setattr(scorer, "CHUNK", 2)
    whole = check(path, "tiny")
    assert (whole.usable, whole.truncated, len(whole.problems)) == (3, 0, 1)
    head, chosen, rejected = whole.shown
    assert head == f"the first pair ({path}:1) as the model reads it; what it chose stands in [ ]:"
    assert chosen.startswith("  chosen: ")
    assert chosen.replace("[", "").replace("]", "").endswith("\u00b7Blue,\u00b7I\u00b7think.\u27e8EOS\u27e9")
    assert chosen.count("[") == chosen.count("]") > 3
    assert "tokens of prompt, then [" in rejected
    assert rejected.endswith("[\u27e8EOS\u27e9]")
    assert "S" in rejected.replace("[", "").replace("]", "").split("prompt, then ")[1]
    assert rejected.startswith("  rejected: ")
    assert check(path, "tiny", max_length=12).truncated > 0


def test_a_source_without_pairs_shows_none(tmp_path):
    (tmp_path / "b.jsonl").write_text(json.dumps(ROWS[2]) + "\n" + json.dumps(ROWS[0]) + "\n")
    assert check(str(tmp_path / "b.jsonl")).shown[0].endswith("b.jsonl:2):")
    (tmp_path / "c.jsonl").write_text(json.dumps(ROWS[2]) + "\n")
    assert (check(str(tmp_path / "c.jsonl")).shown, check(str(tmp_path / "c.jsonl")).usable) == ([], 0)


def test_prompts_kept_for_testing_are_looked_for(path, tmp_path):
    (tmp_path / "held.jsonl").write_text(json.dumps(ROWS[1]) + "\n")
    line = "1 of 1 held-out pairs have a prompt that is in the file too"
    assert line in check(path, held_out=str(tmp_path / "held.jsonl")).told
    assert line not in check(path).told


def test_long_text_loses_its_middle():
    assert _line("a\nb") == "a\u21b5b"
    assert _line("abcd", 4) == "abcd"
    assert _line("abcdefgh", 4) == "ab \u2026 gh"
    assert _line("x" * 400) == "x" * 400
    assert len(_line("x" * 401)) == 403
