"""`inspect`: numbers that add up, a report that is self-contained and cannot run a reply's text."""

import json

import pytest
from hand_made import one_character_tokens, summarise

from dpoq_lab import models
from dpoq_lab.commands.inspect import score
from dpoq_lab.preferences import Pair, write_pairs

HOSTILE = '</script><img src=x onerror="alert(1)">'


@pytest.fixture
def folders(tiny, tokenizer, tmp_path):
    models.save(tiny, tokenizer, tmp_path / "policy")
    models.save(models.tiny(seed=1), tokenizer, tmp_path / "reference")
    pairs = [
        Pair(
            [{"role": "user", "content": HOSTILE}], "Yes, gladly.", f"No. {HOSTILE}", rejected_flaws=((0, 2),)
        ),
        Pair([{"role": "user", "content": "Hi"}], "Hello there.", "What now?"),
    ]
    write_pairs(pairs, tmp_path / "pairs.jsonl")
    return tmp_path


def run(folder, **changed):
    arguments = {
        "policy": str(folder / "policy"),
        "reference": str(folder / "reference"),
        "rows": str(folder / "pairs.jsonl"),
        "beta": 0.3,
        "max_length": 256,
    }
    return score(**arguments | changed).write(folder / "out")


def test_every_response_has_a_record_whose_columns_agree(folders):
    run(folders)
    records = [json.loads(line) for line in (folders / "out" / "tokens.jsonl").read_text().splitlines()]
    assert [(r["pair"], r["role"]) for r in records] == [
        (i, role) for i in (0, 1) for role in ("chosen", "rejected")
    ]
    for record in records:
        columns = ("tokens", "token_ids", "offsets", "logp_policy", "logp_reference", "reward")
        assert len({len(record[name]) for name in columns}) == 1
        for r, logp, logp_ref in zip(
            record["reward"], record["logp_policy"], record["logp_reference"], strict=True
        ):
            assert r == pytest.approx(0.3 * (logp - logp_ref), abs=2e-5)


def test_the_summary_is_the_sum_of_the_records(folders):
    summary = run(folders)
    records = [json.loads(line) for line in (folders / "out" / "tokens.jsonl").read_text().splitlines()]
    chosen = [sum(r["reward"]) for r in records if r["role"] == "chosen"]
    assert summary["chosen_reward_sum_mean"] == pytest.approx(sum(chosen) / len(chosen), abs=1e-3)
    assert json.loads((folders / "out" / "summary.json").read_text()) == summary


def test_the_report_is_one_page_that_asks_for_nothing_and_runs_nothing(folders):
    run(folders)
    page = (folders / "out" / "report.html").read_text(encoding="utf-8")
    assert "<img" not in page
    assert "<script" not in page
    assert "src=" not in page.replace("img\u00b7src=x", "").replace("&lt;img src=x", "")
    assert "http" not in page
    assert "&lt;img" in page


def test_the_same_name_for_policy_and_reference_gives_no_reward(folders):
    summary = run(folders, reference=str(folders / "policy"))
    assert summary["margin_mean"] == 0.0
    assert summary["pair_accuracy"]["accuracy"] == 0.5
    assert summary["kl_ref_pi_token_mean"] == pytest.approx(0.0, abs=1e-9)


def test_another_vocabulary_is_refused(folders, tokenizer):
    other = models.build_tiny_tokenizer(["a b c"], vocab_size=300)
    models.save(models.tiny(), other, folders / "other")
    with pytest.raises(models.ModelError, match="vocabulary is not the policy's"):
        run(folders, reference=str(folders / "other"))


def test_pairs_without_marks_have_no_marks_in_the_report(tiny, tokenizer, tmp_path):
    row = {"prompt": "Hi\n", "chosen": "Hello.", "rejected": "Bye."}
    summary = score(tiny, tiny, [row], tokenizer).write(tmp_path)
    assert "marks" not in summary["credit"]


def test_summary_by_hand():
    """beta 0.5; chosen gains 2 nats, rejected loses 1: rewards +1 and -0.5, margin 1.5."""
    chosen = one_character_tokens([1, 2], [-1.0, -1.0], [-2.0, -2.0])
    rejected = one_character_tokens([1, 3], [-1.0, -3.0], [-1.0, -2.0], flaws=((1, 2),))
    found = summarise([(chosen, rejected)], beta=0.5)
    assert found["chosen_reward_sum_mean"] == 1.0
    assert found["rejected_reward_sum_mean"] == -0.5
    assert found["margin_mean"] == 1.5
    assert found["pair_accuracy"]["accuracy"] == 1.0
