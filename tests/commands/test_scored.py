"""`score`: numbers that add up, a report that is self-contained and cannot run a reply's text."""

import json
import math

import pytest
from hand_made import one_character_tokens, summarise

from dpoq_lab import models
from dpoq_lab.commands.scored import _check, score


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
    assert "http" not in page.replace('xmlns="http://www.w3.org/2000/svg"', "")  # a name, not an address
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


def test_what_is_scored_in_python_says_what_the_files_say(folders):
    """Its summary, its page, its tokens by side; a pair that was left out is a problem."""
    rows = [json.loads(line) for line in (folders / "pairs.jsonl").read_text().splitlines()]
    scored = score(
        *(str(folders / name) for name in ("policy", "reference")), [*rows, {"prompt": "x"}], beta=0.3
    )
    assert scored.problems == ["row 3: chosen: is missing"]
    written = scored.write(folders / "out")
    assert scored.summary() == written == json.loads((folders / "out" / "summary.json").read_text())
    assert (written["read"], written["source"], written["beta"]) == (2, "rows in memory", 0.3)
    page = scored.report(str(folders / "page.html"))
    assert page == folders / "page.html"
    assert page.read_text() == (folders / "out" / "report.html").read_text()
    lines = [json.loads(line) for line in (folders / "out" / "tokens.jsonl").read_text().splitlines()]
    for i in (0, 1):
        for side, found in scored.tokens(i).items():
            [line] = [line for line in lines if (line["pair"], line["role"]) == (i, side)]
            assert json.loads(json.dumps(found)) == {name: line[name] for name in found}


def test_a_beta_of_another_kind_is_told():
    for beta, error, told in (
        (0, ValueError, "beta is 0; it must be above 0"),
        (math.inf, ValueError, "beta is inf; it must be above 0"),
        (True, TypeError, "beta is a boolean, not a number"),
        ("1", TypeError, "beta is a string, not a number"),
    ):
        with pytest.raises(error) as caught:
            _check([], beta)
        assert str(caught.value) == told
