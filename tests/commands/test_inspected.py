"""What `inspect` wrote, read back: whole, or one line that says which file is not what it wrote."""

import json

import pytest
from hand_made import one_character_tokens

from dpoq_lab.commands.inspected import NEEDED, InspectedError, read_summary, shown_pairs
from dpoq_lab.runs.token_file import ScoredRow, lines

SUMMARY = dict.fromkeys(NEEDED, {}) | {"beta": 0.5, "policy": "pi"}
SUMMARY |= {"facts": {"pairs": 2.0, "k": 0.5}, "pair_accuracy": {"pairs": 2}}


@pytest.fixture
def written(tmp_path):
    """Write a summary and return what is read, or what is said of it."""

    def write(summary):
        (tmp_path / "summary.json").write_text(summary if isinstance(summary, str) else json.dumps(summary))
        try:
            return read_summary(tmp_path)
        except InspectedError as error:
            return str(error).removeprefix(f"{tmp_path}/")

    return write


def test_a_summary_is_what_it_was(written):
    assert written(SUMMARY) == SUMMARY
    assert written(SUMMARY | {"more": 1, "facts": {"pairs": 2}}) == SUMMARY | {
        "more": 1,
        "facts": {"pairs": 2},
    }


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_a_summary_lacks_nothing(written, name):
    older = "summary.json: was written by an earlier version: run inspect again"
    assert written({key: value for key, value in SUMMARY.items() if key != name}) == older


@pytest.mark.parametrize(
    "changed",
    [
        *({"facts": []}, {"facts": {}}, {"facts": {"pairs": 3}}, {"facts": {"pairs": 2, "k": "x"}}),
        *({"pair_accuracy": [2]}, {"pair_accuracy": {}}, {"beta": 0}, {"beta": -1}, {"beta": "0.5"}),
    ],
)
def test_numbers_of_a_summary_are_numbers_of_as_many_pairs(written, changed):
    older = "summary.json: was written by an earlier version: run inspect again"
    assert written(SUMMARY | changed) == older


def test_what_is_no_summary(written, tmp_path):
    said = f"summary.json: no summary that can be read: run inspect into {tmp_path}"
    assert written("{") == said
    assert written("[]") == "summary.json: was written by an earlier version: run inspect again"
    (tmp_path / "summary.json").unlink()
    with pytest.raises(InspectedError) as caught:
        read_summary(tmp_path)
    assert str(caught.value) == f"{tmp_path}/{said}"


def test_the_pairs_to_show_are_the_first_and_the_worst_by_their_number(tmp_path):
    """Of 42 pairs the first 40 and, of the two others, both; the beta is that of the summary."""
    up, down = one_character_tokens([1], [-1.0], [-2.0]), one_character_tokens([2], [-2.0], [-1.0])
    with (tmp_path / "tokens.jsonl").open("w") as stream:
        for number in range(42):
            stream.writelines(lines(number, ScoredRow(f"a:{number}", "p", (up, down)), 0.5))
    summary = SUMMARY | {"pair_accuracy": {"pairs": 42}}
    assert [(number, row.where) for number, row in shown_pairs(tmp_path, summary)] == [
        (number, f"a:{number}") for number in range(42)
    ]
    for pairs in (41, 43):
        with pytest.raises(InspectedError) as caught:
            shown_pairs(tmp_path, SUMMARY | {"pair_accuracy": {"pairs": pairs}})
        said = "holds 42 pairs, other than summary.json: run inspect again"
        assert str(caught.value) == f"{tmp_path}/tokens.jsonl: {said}"
    (tmp_path / "tokens.jsonl").write_text("")
    assert shown_pairs(tmp_path, SUMMARY | {"pair_accuracy": {"pairs": 0}}) == []
    for text in ("{", "{}\n{}", '{"pair": 0}'):
        (tmp_path / "tokens.jsonl").write_text(text)
        with pytest.raises(InspectedError) as caught:
            shown_pairs(tmp_path, summary)
        said = f"cannot be read: run inspect into {tmp_path} again"
        assert str(caught.value) == f"{tmp_path}/tokens.jsonl: {said}"
