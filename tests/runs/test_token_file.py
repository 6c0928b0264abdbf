"""What `tokens.jsonl` holds is all that a summary is made of: read and written again it is the same."""

import json
from dataclasses import replace

import pytest
from chat_templates import ASK, says, styled

from dpoq_lab import models
from dpoq_lab.encoding import EOS, Response, encode_pairs
from dpoq_lab.preferences import Pair
from dpoq_lab.rewards import Shift, TokenScores, score_pairs
from dpoq_lab.runs.token_file import BY_TOKEN, ScoredRow, lines, read_rows, row_of, token_record

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


RECORD = {
    **{"text": "ab", "tokens": ["a", "b", EOS], "token_ids": [5, 6, 0], "offsets": [[0, 1], [1, 2], [2, 2]]},
    **{"ends": [2], "reward": [0.1, -0.2, 0.0], "logp_policy": [-1.0, -2.0, -0.5]},
    **{"logp_reference": [-1.5, -1.0, -0.5], "kl_ref_pi": [1.0, 2.0, 3.0], "kl_pi_ref": [4.0, 5.0, 6.0]},
    **{
        "entropy": [7.0, 8.0, 9.0],
        "shift": {"at": 1, "gained": [["c", 0.1, 0.2]], "lost": [["d", 0.4, 0.3]]},
    },
    **{"actions": [True, False, True], "truncated": True, "tail": "\n", "flaws": [False, True, False]},
}


def test_a_line_by_hand():
    """Every column has numbers of its own; rewards are 0.2 times the differences."""
    line = {"pair": 7, "role": "chosen", "where": "a:1"} | RECORD
    read = [
        json.dumps(line | {"prompt": "p"}),
        json.dumps(line | {"role": "rejected", "actions": [True] * 3}),
    ]
    [row] = read_rows(read)
    response = Response(
        *([], [5, 6, 0], [(0, 1), (1, 2), (2, 2)], "ab", ((1, 2),), True, [True, False, True], 0, "\n", (2,))
    )
    shift = Shift(1, [("c", 0.1, 0.2)], [("d", 0.4, 0.3)])
    none = [[], [], []]
    chosen = TokenScores(
        *(response, [-1.0, -2.0, -0.5], [-1.5, -1.0, -0.5], [1.0, 2.0, 3.0], [4.0, 5.0, 6.0], none, none),
        *([7.0, 8.0, 9.0], shift),
    )
    rejected = replace(chosen, response=replace(response, actions=[True] * 3))
    assert row == ScoredRow("a:1", "p", (chosen, rejected))
    first, second = map(json.loads, lines(7, row, 0.2))
    assert first == line | {"prompt": "p", "flaws": [False] * 3}  # it is no action
    del line["actions"]
    assert second == line | {"role": "rejected"}
    assert list(lines(7, row, 0.2))[0].endswith("}\n")


def test_what_a_line_does_not_say_is_not_there():
    plain = {
        name: RECORD[name]
        for name in RECORD
        if name not in ("shift", "actions", "truncated", "tail", "flaws")
    }
    plain["tokens"] = ["a", "b", "c"]
    [row] = read_rows([json.dumps(plain | {"where": "a:1", "prompt": "p"})] * 2)
    response, scores = row.sides[0].response, row.sides[0]
    assert (response.flaws, response.truncated, response.tail, response.eos_id) == ((), False, "", None)
    assert (response.actions, scores.shift) == ([True] * 3, None)
    assert token_record(scores, 0.2) == plain | {"tokens": ["a", "b", ""]}
    tiny = replace(scores, logp_policy=[-1.23456789, -2.0, -0.5])
    assert token_record(tiny, 0.2)["logp_policy"] == [-1.234568, -2.0, -0.5]
    assert token_record(tiny, 0.2)["reward"] == [0.053086, -0.2, 0.0]
