"""What `tokens.jsonl` holds is all that a summary is made of: read and written again it is the same."""

import json

import pytest
from chat_templates import ASK, says, styled

from dpoq_lab import models
from dpoq_lab.encoding import EOS, encode_pairs
from dpoq_lab.preferences import Pair
from dpoq_lab.rewards import score_pairs
from dpoq_lab.token_file import BY_TOKEN, lines, read_rows, row_of

CHATML = styled("ChatML")
TURNS = [says("assistant", "At noon?"), says("user", "Yes."), says("assistant", "It is blue.")]
PAIRS = [
    Pair(ASK, TURNS, "Who cares? Not I, for one.", where="a.jsonl:1"),  # others speak, and a tail
    Pair(ASK, "It is \u00e9\U0001f600!", "No.", rejected_flaws=((0, 2),), where="a.jsonl:2"),  # bytes, flaws
    Pair("The sky is", " blue" * 60, " red", where="a.jsonl:3"),  # cut off
]


@pytest.fixture(scope="module")
def rows():
    policy, reference = (models.build(CHATML, 16, 1, seed=s, initializer_range=0.3) for s in (0, 1))
    encoded = encode_pairs(CHATML, PAIRS, 50).pairs
    return list(map(row_of, encoded, score_pairs(policy, reference, CHATML, encoded)))


def test_read_and_written_again_it_is_the_same(rows):
    written = [line for number, row in enumerate(rows) for line in lines(number, row, 0.3)]
    again = [line for number, row in enumerate(read_rows(written)) for line in lines(number, row, 0.3)]
    assert again == written
    keys = [set(json.loads(line)) for line in written]
    assert all("shift" in each for each in keys)
    assert ["prompt" in each for each in keys] == [True, False] * 3  # once a pair
    assert [sorted(each & {"actions", "flaws", "tail", "truncated"}) for each in keys] == [
        *(["actions", "tail"], ["tail"], ["tail"], ["flaws", "tail"], ["truncated"], []),
    ]


def test_what_is_read_has_the_response_but_for_its_prompt_tokens(rows):
    written = [line for row in rows for line in lines(0, row, 1.0)]
    for row, found in zip(rows, read_rows(written), strict=True):
        assert (found.where, found.prompt) == (row.where, row.prompt)
        for was, now in zip(row.sides, found.sides, strict=True):
            same = ("ids", "offsets", "text", "truncated", "actions", "tail", "ends", "tokens", "n_actions")
            for name in same:
                assert getattr(now.response, name) == getattr(was.response, name), name
            for name in BY_TOKEN:
                assert getattr(now, name) == pytest.approx(getattr(was, name), abs=1e-6)


def test_the_fixture_has_each_kind(rows):
    sides = [scores.response for row in rows for scores in row.sides]
    assert sum(not all(response.actions) for response in sides) == 1
    assert any(response.truncated for response in sides)
    assert any(response.flaws for response in sides)
    assert any(response.tail for response in sides)
    assert any(EOS in response.tokens for response in sides)
    assert "assistant: " not in rows[0].prompt
    assert rows[0].prompt.startswith("user: ")


def test_the_ends_are_eos_and_what_the_template_writes(rows):
    """Of two turns both ends; of a cut reply none; with the template's yield its newline too."""
    chosen, rejected = (scores.response for scores in rows[0].sides)
    assert [chosen.tokens[k] for k in chosen.ends] == [EOS, EOS]
    assert rejected.ends == (len(rejected.ids) - 1,)
    assert rows[2].sides[0].response.ends == ()
    [pair] = encode_pairs(CHATML, PAIRS[1:2], 99, whole_yield=True).pairs
    assert [pair.chosen.tokens[k] for k in pair.chosen.ends] == [EOS, "\n"]
