"""Each planted fault is really in the run, and nowhere in what is scored after it."""

import math

import pytest

from dpoq_lab.encoding import encode_pairs
from dpoq_lab.lessons.l14_your_own_model.planted import (
    FILLERS,
    PLANTS,
    WORLDS,
    doubled_end,
    flipped,
    one_word_apart,
    open_endings,
    plant,
    without_end,
)
from dpoq_lab.lessons.l14_your_own_model.study import averaged, planted, run_facts
from dpoq_lab.order_notes.language import order_pairs
from dpoq_lab.order_notes.recipe import note_tokenizer, stored_policies
from dpoq_lab.runs.diagnosis import diagnose
from dpoq_lab.runs.logs import Log

NOTES, SIZE = WORLDS["order notes"], (2, 8)


def first_reply():
    return encode_pairs(note_tokenizer(), order_pairs(1, 0), 99).pairs[0].chosen


def test_an_end_is_taken_off_or_doubled():
    reply = first_reply()
    assert without_end(reply).ids == reply.ids[:-1]
    assert without_end(reply).n_actions == reply.n_actions - 1
    assert doubled_end(reply).ids == [*reply.ids, note_tokenizer().eos_token_id]
    assert doubled_end(reply).n_actions == reply.n_actions + 1


def test_labels_are_flipped_in_the_share_that_is_asked_for():
    pairs = order_pairs(400, 0)
    turned = [a.chosen == b.rejected for a, b in zip(flipped(pairs, 3, 0.25), pairs, strict=True)]
    assert 70 < sum(turned) < 130
    assert all(a.chosen == b.rejected for a, b in zip(flipped(pairs, 3), pairs, strict=True))


def test_two_replies_differ_in_one_likely_word():
    start = stored_policies().models["SFT"]
    for pair in one_word_apart(order_pairs(20, 0), 0, start, NOTES):
        told = pair.chosen.split(), pair.rejected.split()
        assert sum(a != b for a, b in zip(*told, strict=True)) == 1


def test_an_open_ending_goes_on_by_a_coin():
    more = [pair.chosen.count(filler) for pair in open_endings(1) for filler in FILLERS]
    plain = [pair.chosen.count(filler) for pair in order_pairs(1000, 1) for filler in FILLERS]
    assert (sum(more) - sum(plain)) / 1000 == pytest.approx(1.0, abs=0.15)  # 1/2 + 1/4 + ...


def test_a_run_begins_where_its_plant_says():
    """ln 2 and no reward, but for dropout and another reference."""
    starts = {}
    for cause in ("healthy, from base", "dropout", "another reference"):
        start = "another reference" if cause == "another reference" else cause
        record = plant(NOTES, PLANTS[start], 0, *SIZE).log[0]
        starts[cause] = record["loss_mean"], record["chosen_reward_sum"]
    assert starts["healthy, from base"] == pytest.approx((math.log(2), 0.0), abs=1e-6)
    assert starts["dropout"][0] > math.log(2) + 0.03
    assert starts["another reference"][1] > 0.3


def test_a_run_s_facts_are_enough_for_every_cause():
    found = run_facts("order notes", "two EOS", 0, SIZE)
    lacking = diagnose(found["curves"] | found["pairs"]).missing
    assert [line for line in lacking if not line.endswith("needs k")] == []  # after two steps there is none
    assert "loss_start" not in found["averaged"]


def test_the_log_of_every_ten_steps_is_their_mean():
    log = Log([{"step": float(k), "loss": float(k)} for k in range(25)], None)
    assert averaged(log, 10).records == [
        {"step": 10.0, "loss": 4.5},
        {"step": 20.0, "loss": 14.5},
        {"step": 30.0, "loss": 22.0},
    ]


def test_faults_of_eos_are_tried_where_an_end_is_not_certain():
    assert planted("open endings") == ["healthy, from SFT", "no EOS", "two EOS"]
    assert "no EOS" not in planted("order notes")
    assert set(planted("courtesy")) == set(PLANTS) - {"no EOS"}
