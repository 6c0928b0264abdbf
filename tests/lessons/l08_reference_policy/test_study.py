"""The reference study: its parts by their identities, its command, and what lesson 08 says of its table."""

import json

import numpy as np
import pytest

from dpoq_lab.commands.cli import main
from dpoq_lab.lessons.l08_reference_policy.study import (
    RULES,
    RUNS,
    STARTS,
    THRESHOLD,
    after_training,
    agreement,
    both_log_pi,
    kls_before,
    mostly_right,
    sft_pairs,
)
from dpoq_lab.lessons.study import stored_record
from dpoq_lab.order_notes.language import order_pairs
from dpoq_lab.order_notes.recipe import encode, stored_policies
from dpoq_lab.rewards import score_responses


@pytest.fixture(scope="module")
def policies():
    return stored_policies()


@pytest.fixture(scope="module")
def held_out():
    return encode(order_pairs(60, 1_000_000))


def test_sft_on_both_reads_every_reply_once():
    pairs = order_pairs(5, 0)
    assert len(sft_pairs(pairs, "chosen")) == 5
    read = [pair.chosen.text for pair in sft_pairs(pairs, "both")]
    assert sorted(read) == sorted([p.chosen for p in pairs] + [p.rejected for p in pairs])


def test_log_pi_of_replies_is_what_the_inspector_sums(policies, held_out):
    pi = policies.models["SFT"]
    scores = score_responses(pi, pi, policies.tokenizer, [pair.rejected for pair in held_out[:5]])
    expected = [sum(s.logp_policy) for s in scores]
    assert both_log_pi(pi, held_out)[1, :5] == pytest.approx(expected, abs=1e-3)


def test_sft_on_the_chosen_replies_leaves_less_room_for_them_and_more_for_the_rejected(policies, held_out):
    base, sft = (kls_before("off-policy", policies.models[name], held_out, 0) for name in ("base", "SFT"))
    assert base[0] > THRESHOLD > sft[0] > 0
    assert base[0] > base[1]
    assert sft[0] < sft[1]


def test_both_sequence_kls_are_0_for_the_reference_itself_and_differ_for_dpo(policies, held_out):
    sft, dpo = policies.models["SFT"], policies.models["DPO from SFT"]
    same = after_training(sft, sft, held_out)
    assert (same["forward_kl"], same["reverse_kl"]) == (0, 0)
    assert same["score_before"] == same["score_after"]
    found = after_training(dpo, sft, held_out)
    assert found["forward_kl"] > 0.3
    assert found["reverse_kl"] > 0.3
    assert found["score_after"] > found["score_before"]
    back = after_training(sft, dpo, held_out)  # the roles exchanged
    assert back["forward_kl"] == pytest.approx(found["reverse_kl"], rel=1e-4)
    assert back["reverse_kl"] == pytest.approx(found["forward_kl"], rel=1e-4)
    assert found["forward_kl"] != pytest.approx(found["reverse_kl"], rel=1e-2)


def test_agreement_counts_seeds_whose_sign_a_rule_had_right():
    row = {
        "kl_w_ref": {"values": [2.0, 1.0, 2.0]},
        "kl_l_ref": {"values": [1.0, 2.0, 3.0]},
        "chosen_reward": {"values": [0.1, -0.1, -0.1]},
    }
    assert [agreement(row, rule) for rule in RULES.values()] == [2, 3, 2]


def test_the_command_writes_what_it_measured(tmp_path, capsys):
    main(["study", "reference", "--out", str(tmp_path), "--seeds", "1", "--preset", "ci"])
    record = json.loads((tmp_path / "reference.json").read_text())
    assert set(record["table"]) == {run.name for run in RUNS}
    curves = record["mean_curves"]["base, off-policy pairs"]
    assert len(curves["chosen_reward_sum"]) == 3
    assert curves["kl_steps"] == [0, 3]
    row = record["table"]["base, off-policy pairs"]
    assert curves["kl_w_pi"][0] == pytest.approx(row["kl_w_ref"]["mean"], abs=1e-3)
    out = capsys.readouterr().out
    assert "KL(mu_w, ref)" in out
    assert "nearer law" in out


# The stored table.


@pytest.fixture(scope="module")
def table():
    return stored_record("order-notes-reference", "reference")["table"]


def test_the_identity_holds_in_the_table(table):
    """chosen = beta [KL(mu_w, pi_ref) - KL(mu_w, pi)], and the same for the rejected law."""
    for run in RUNS:
        row = table[run.name]
        for side, reward in (("w", "chosen_reward"), ("l", "rejected_reward")):
            room = np.subtract(row[f"kl_{side}_ref"]["values"], row[f"kl_{side}_pi"]["values"])
            assert row[reward]["values"] == pytest.approx(run.beta * room, abs=1e-3)
            assert max(row[reward]["values"]) <= run.beta * max(row[f"kl_{side}_ref"]["values"])


def test_both_halves_of_figure_3_are_in_the_table(table):
    chosen = {run.name: table[run.name]["chosen_reward"]["values"] for run in STARTS}
    assert min(chosen["base, off-policy pairs"]) > 0
    assert max(chosen["SFT 80 on chosen, off-policy pairs"]) < 0
    assert max(chosen["SFT 5 on chosen, off-policy pairs"]) < 0
    assert min(chosen["SFT 80 on both, off-policy pairs"]) > 0


def test_no_rule_is_much_better_than_always_below_0_over_all_runs(table):
    """Right in four of five seeds, of 14 runs; by seed, of 70; by seed for the five starts, of 25."""
    assert [mostly_right(table, rule) for rule in RULES.values()] == [6, 8, 7]
    assert [sum(agreement(row, rule) for row in table.values()) for rule in RULES.values()] == [42, 45, 41]
    starts = [sum(agreement(table[run.name], rule) for run in STARTS) for rule in RULES.values()]
    assert starts == [18, 23, 15]


def test_where_the_claim_fails(table):
    """Cleaner text than SFT saw stays near 0; beta 0.1 with a high rate sinks from the base too."""
    cleaner, usual = (
        table[f"SFT 80 on chosen, {kind} pairs"]["chosen_reward"] for kind in ("cleaner", "off-policy")
    )
    assert cleaner["mean"] - cleaner["half_95"] > usual["mean"] + usual["half_95"]
    assert max(table["base, off-policy pairs, beta 0.1, lr 0.0003"]["chosen_reward"]["values"]) < 0
    displaced = table["SFT 80 on chosen, minimal edit pairs, beta 0.1, lr 0.0003"]
    assert displaced["chosen_reward"]["mean"] < 0
    assert displaced["score_after"]["mean"] < displaced["score_before"]["mean"]


def test_likelihoods_fall_together_when_one_word_pairs_are_pressed_hard():
    curves = stored_record("order-notes-reference", "reference")["mean_curves"]
    hard, usual = (
        curves[f"SFT 80 on chosen, minimal edit pairs{more}"] for more in (", beta 0.1, lr 0.0003", "")
    )
    chosen, rejected = (np.array(hard[f"{role}_logp_sum"]) for role in ("chosen", "rejected"))
    assert chosen[-10:].mean() < chosen[:5].mean() - 1
    assert rejected[-10:].mean() < rejected[:5].mean() - 5
    assert np.mean(usual["chosen_logp_sum"][-10:]) > np.mean(usual["chosen_logp_sum"][:5])


def test_on_policy_rewards_average_to_minus_beta_times_the_forward_kl(table):
    for start in ("base", "SFT 80 on chosen"):
        row = table[f"{start}, on-policy pairs"]
        mean = (row["chosen_reward"]["mean"] + row["rejected_reward"]["mean"]) / 2
        assert mean == pytest.approx(-0.5 * row["forward_kl"]["mean"], abs=0.03)
