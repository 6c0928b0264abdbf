"""How much a model is asked, counted by hand: what fails here is slower on every machine."""

from collections import Counter

import pytest
from test_shared_prompt import batch_of, response

import dpoq_lab as dq
from dpoq_lab.encoding import EncodedPair
from dpoq_lab.models import tiny as build_tiny
from dpoq_lab.objectives import DPO
from dpoq_lab.preferences import Pair
from dpoq_lab.schedule import Settings
from dpoq_lab.search.beams import beam_search
from dpoq_lab.search.scorers import ModelScorer
from dpoq_lab.shared_prompt import shared_log_probs
from dpoq_lab.training import train


@pytest.fixture
def asked():
    """A tiny model, and what it is asked: forwards, tokens that go through its layers, places with logits."""
    model, found = build_tiny(), Counter()

    def layers(_, __, given):
        found["forwards"] += 1
        found["tokens"] += given["input_ids"].numel()

    def head(_, given):
        found["places"] += given[0].shape[:-1].numel()

    model.model.register_forward_pre_hook(layers, with_kwargs=True)
    model.lm_head.register_forward_pre_hook(head)
    return model, found


def pairs_of(*sizes):
    """Encoded pairs of (P, R_w, R_l) tokens."""
    return [
        EncodedPair(response([5] * P, [6] * R_w), response([5] * P, [7] * R_l), Pair("", "", ""))
        for P, R_w, R_l in sizes
    ]


def test_a_shared_prompt_goes_through_the_layers_once(asked):
    """Two pairs padded to 9 + 4 + 5 tokens, not four rows of 14; logits where a token follows: 1 + 4 + 5."""
    model, found = asked
    shared_log_probs(model, batch_of([(9, 4, 3), (3, 2, 5)]))
    assert found == {"forwards": 1, "tokens": 2 * 18, "places": 2 * 10}


def test_training_asks_the_reference_once_a_pair_and_not_again(asked, tmp_path):
    """Two pairs of 9 + 4 + 3 tokens: tried in both ways (16, and 13 twice, a pair), scored once, trained on
    three times. The second run reads what the first has kept."""
    model, found = asked
    settings = Settings(DPO(beta=0.1), lr=1e-3, steps=3, batch_size=2, micro_batch=2)
    pairs, keep = pairs_of((9, 4, 3), (9, 4, 3)), tmp_path / "kept"
    train(model, pairs, 0, settings, keep=keep)
    assert found == {
        "forwards": 2 + 1 + 3,
        "tokens": 2 * (16 + 26 + 16 + 3 * 16),
        "places": 2 * (8 + 10 + 4 * 8),
    }
    found.clear()
    train(model, pairs, 0, settings, keep=keep)
    assert found["forwards"] == 3


def test_a_beam_asks_once_a_step_for_its_open_replies_alone(asked):
    """A prompt of three tokens, then 4 steps of 3 replies; nothing follows the fifth token."""
    model, found = asked
    beam_search(ModelScorer(model, eos=-1), (5, 6, 7), width=3, max_tokens=5)
    assert found == {"forwards": 5, "tokens": 3 + 4 * 3, "places": 1 + 4 * 3}


def test_pairs_are_scored_sixteen_at_a_time(asked, tokenizer):
    """17 pairs, and one model in both roles."""
    model, found = asked
    rows = [{"prompt": f"May {n}?", "chosen": "Yes, please.", "rejected": "No."} for n in range(17)]
    dq.score(model, model, rows, tokenizer=tokenizer)
    assert found["forwards"] == 2 + 2 * 2  # tried in both ways, then two groups
