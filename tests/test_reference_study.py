"""The reference study: the writer's entropy by hand and by counting, its pairs, and the stored table."""

import json
import math
from collections import Counter
from random import Random

import pytest

from dpoq_lab.language_study import stored_study
from dpoq_lab.languages import CAREFUL, FACTS, Writer, order_pairs, slipped, true_score
from dpoq_lab.reference_study import (
    coin,
    fact_entropy,
    main,
    minimal_edit_pairs,
    on_policy_pairs,
    sft_pairs,
    writer_entropy,
)


def test_the_entropy_of_a_perfect_writer_by_hand():
    """4 greetings, 5 verbs, 4 closers, an adjective of 6 half the time, 3 clauses of 3 phrases, shuffled."""
    H = math.log(4 * 5 * 4) + math.log(2) + 0.5 * math.log(6) + 3 * math.log(3) + math.log(6)
    assert writer_entropy(Writer(slip=0.0)) == pytest.approx(H)


def test_each_knob_adds_its_own_entropy():
    perfect = writer_entropy(Writer(slip=0.0))
    assert writer_entropy(Writer(slip=0.0, rude=0.5)) == pytest.approx(
        perfect + math.log(2) + 0.5 * math.log(8)
    )
    assert writer_entropy(Writer(slip=0.0, filler=0.5)) == pytest.approx(
        perfect + (math.log(2) + 0.5 * math.log(4)) / 0.5
    )


def test_the_entropy_of_a_told_fact_is_that_of_its_counts():
    random, day = Random(0), "Monday"
    said = Counter(slipped(day, random) if random.random() < 0.15 else day for _ in range(60_000))
    H = -sum(n / 60_000 * math.log(n / 60_000) for n in said.values())
    assert fact_entropy(CAREFUL, "day") == pytest.approx(H, abs=0.01)
    assert coin(0.5) == pytest.approx(math.log(2))


def test_a_minimal_edit_changes_one_fact():
    for pair in minimal_edit_pairs(50, 0):
        words = zip(pair.chosen.split(), pair.rejected.split(), strict=True)
        changed = [(a, b) for a, b in words if a != b]
        assert len(changed) == 1
        assert true_score(pair.prompt, pair.chosen) == len(FACTS)
        assert len(pair.rejected_flaws) == 1


def test_on_policy_pairs_are_the_policys_own_and_mostly_ranked_by_score():
    small = stored_study()[0].policies
    pairs = on_policy_pairs(small["base"], order_pairs(120, 3), 0)
    gaps = [true_score(p.prompt, p.chosen) - true_score(p.prompt, p.rejected) for p in pairs]
    assert len(pairs) > 100
    assert sum(gap > 0 for gap in gaps) > 2 * sum(gap < 0 for gap in gaps)


def test_sft_on_both_reads_every_reply_once():
    pairs = order_pairs(5, 0)
    assert len(sft_pairs(pairs, "chosen")) == 5
    read = [pair.chosen.text for pair in sft_pairs(pairs, "both")]
    assert sorted(read) == sorted([p.chosen for p in pairs] + [p.rejected for p in pairs])


def test_the_command_writes_what_it_measured(tmp_path, capsys, monkeypatch):
    main(["--out", str(tmp_path), "--seeds", "1", "--preset", "ci"])
    record = json.loads((tmp_path / "reference.json").read_text())
    assert len(record["table"]) == 9
    assert len(record["mean_curves"]["base, off-policy pairs"]["chosen_reward_sum"]) == 3
    assert "KL(mu,ref)" in capsys.readouterr().out
