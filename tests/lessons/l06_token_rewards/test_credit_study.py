"""The credit study: its controls mean what they say, and the stored table is what its models give."""

import json
import math
from dataclasses import replace

import pytest

from dpoq_lab.commands.cli import main
from dpoq_lab.credit import chance_of_a_hit, detector_row
from dpoq_lab.encoding import flaw_mask
from dpoq_lab.lessons.l06_token_rewards.credit_study import credit_table, measure_seed, pair_row
from dpoq_lab.lessons.study import stored_record
from dpoq_lab.order_notes.language import order_pairs
from dpoq_lab.order_notes.recipe import (
    BETA,
    NAMES,
    SIZES,
    Policies,
    Size,
    encode,
    folder_of,
    stored_policies,
    tuned,
)
from dpoq_lab.paths import data_folder
from dpoq_lab.preferences import usable_pairs

TINY = Size(notes=64, pairs=32, held_out=10, base_steps=2, sft_steps=2, dpo_steps=2)


def test_a_seed_gives_the_same_table_twice():
    _, first, stitching = measure_seed(TINY, 3)
    _, again, same = measure_seed(TINY, 3)
    for table, other in ((first, again), (stitching, same)):
        for name, row in table.items():
            assert row == pytest.approx(other[name], abs=1e-6, nan_ok=True)


def test_the_command_writes_what_it_measured(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(SIZES, "ci", TINY)
    main(["study", "credit", "--out", str(tmp_path), "--seeds", "1", "--preset", "ci"])
    assert "chance" in capsys.readouterr().out
    policies = stored_policies(tmp_path)
    assert json.loads((tmp_path / "credit.json").read_text())["seeds"] == 1
    assert set(policies.models) == set(NAMES)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == sorted(map(folder_of, NAMES))


@pytest.fixture(scope="module")
def stored():
    return stored_policies(), stored_record("order-notes", "credit")


def test_base_and_sft_are_their_own_references_so_their_rewards_are_zero(stored):
    replies = [pair.rejected for pair in encode(order_pairs(3, 5))]
    assert all(set(s.rewards(1.0)) == {0.0} for s in stored[0].scores("SFT", replies))


def test_the_stored_models_give_the_stored_figures_of_their_seed(stored):
    """All six models, scored again on the 300 held-out replies of seed 0."""
    policies, record = stored
    size = Size(**record["size"])
    for name, row in credit_table(policies, size, seed=0).items():
        expected = {m: record["credit"][name][m]["values"][0] for m in row}
        assert row == pytest.approx(expected, abs=0.02)


def test_what_the_issue_asks_is_in_the_stored_record(stored):
    credit = stored[1]["credit"]

    def low(name):
        row = credit[name]["precision_at_1"]
        return row["mean"] - row["half_95"]

    def high(name):
        row = credit[name]["precision_at_1"]
        return row["mean"] + row["half_95"]

    assert credit["-r, DPO from SFT"]["precision_at_1"]["mean"] >= 0.9
    assert low("-r, DPO from SFT") > high("surprisal, SFT") + 0.2
    assert min(credit["-r, DPO from SFT"]["accuracy"]["values"]) > 0.8
    blame, control = (credit[f"-r, {name}"] for name in ("DPO from SFT", "shuffled labels"))
    both = zip(blame["precision_at_1"]["values"], control["precision_at_1"]["values"], strict=True)
    assert all(real > shuffled + 0.2 for real, shuffled in both)
    assert abs(control["auroc"]["mean"] - 0.5) < control["auroc"]["half_95"]  # where it is at chance
    labels = [flaw_mask(pair.rejected) for pair in encode(order_pairs(300, 1_000_000))]
    assert credit["chance"]["precision_at_1"]["values"][0] == pytest.approx(chance_of_a_hit(labels))


def test_a_short_retraining_from_the_stored_sft_comes_close_to_the_stored_dpo(stored):
    """40 of the 120 steps on the shipped pairs: within 0.08 in precision at 1, AUROC and accuracy."""
    policies, record = stored
    pairs = encode(usable_pairs(data_folder() / "order_notes" / "train.jsonl"))
    stage = replace(SIZES["laptop"].stage("dpo", seed=0), steps=40)
    policy, log = tuned(policies.models["SFT"], pairs, stage)
    assert log[0]["loss_mean"] == pytest.approx(math.log(2), abs=1e-5)
    again = Policies({"SFT": policies.models["SFT"], "DPO from SFT": policy}, {}, policies.tokenizer)
    held_out = encode(usable_pairs(data_folder() / "order_notes" / "held_out.jsonl"))
    scores = again.scores("DPO from SFT", [pair.rejected for pair in held_out])
    blame = [[-r for r in s.rewards(BETA)] for s in scores]
    row = detector_row(blame, [flaw_mask(pair.rejected) for pair in held_out])
    row["accuracy"] = pair_row(again, "DPO from SFT", held_out, scores)["accuracy"]
    for measure, value in row.items():
        shipped = record["credit"]["-r, DPO from SFT"][measure]["values"][0]
        assert value == pytest.approx(shipped, abs=0.08), measure
