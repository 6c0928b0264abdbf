"""The beam study: its measures by hand, its command, and what the lesson says of the stored table."""

import json

import pytest
from scipy.stats import t

from dpoq_lab.commands.cli import main
from dpoq_lab.encoding import encode_pairs
from dpoq_lab.intervals import contrast, plus_minus
from dpoq_lab.lessons.l07_search.figures import drop_figure
from dpoq_lab.lessons.l07_search.study import describe, drop, repeated, reply_to, searches, shared
from dpoq_lab.lessons.study import stored_record
from dpoq_lab.order_notes.language import order_pairs
from dpoq_lab.order_notes.recipe import encode, note_tokenizer, stored_policies
from dpoq_lab.preferences import Pair
from dpoq_lab.search.beams import beam_search
from dpoq_lab.search.scorers import ModelScorer


def test_runs_that_come_again_or_stand_in_the_prompt_are_counted():
    assert repeated("a b c d a b c d".split(), 4) == pytest.approx(1 / 5)
    assert repeated(["a"], 4) == 0
    assert shared("x a b c".split(), "a b c d".split(), 3) == 0.5
    assert shared([], ["a"], 3) == 0


def test_measures_of_one_reply_by_hand():
    prompt = "who : Anna ; colour : red ; item : lamp ; price : 20 ; day : Monday ; city : Rome ; note :\n"
    pair = encode_pairs(note_tokenizer(), [Pair(prompt, "Anna wants", "Boris wants")], 64).pairs[0]
    found = describe([pair], [(note_tokenizer()("Anna red Oslo")["input_ids"], False)])
    assert found == {"score": 1, "win": 0.5, "words": 3, "unfinished": 1, "repeated": 0, "copied": 0}


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_the_batched_beam_is_our_beam_on_every_prompt(penalty):
    """What the study takes from transformers, left-padded, against `beam_search` on each prompt alone."""
    policy, pairs = stored_policies().models["SFT"], encode(order_pairs(4, 77))
    settings = searches((1, 5))[f"width 5, penalty {penalty:.0f}"]
    for pair, (ids, ended) in zip(pairs, reply_to(policy, pairs, settings), strict=True):
        scorer = ModelScorer(policy, note_tokenizer().eos_token_id)
        best = beam_search(scorer, tuple(pair.chosen.prompt_ids), 5, 80, penalty).hypotheses[0]
        assert (best.tokens[:-1] if ended else best.tokens) == tuple(ids)


def test_the_command_writes_what_it_measured(tmp_path, capsys):
    main(["study", "search", "--out", str(tmp_path), "--seeds", "2", "--preset", "ci"])
    record = json.loads((tmp_path / "search.json").read_text())
    assert set(record["underfitted"]) == {"SFT", "DPO, beta 0.1", "DPO, beta 0.5", "DPO, beta 1.0"}
    assert "width 2, penalty 1" in capsys.readouterr().out


def test_what_the_lesson_says_of_figure_2():
    summary = stored_record("order-notes-search", "search")["underfitted"]

    def mean(name, way, measure="score"):
        return summary[name][way][measure]["mean"]

    for name in summary:
        assert mean(name, "width 20, penalty 0") < mean(name, "width 5, penalty 0") - 1
        assert mean(name, "width 20, penalty 0", "words") < 20 < mean(name, "width 1, penalty 0", "words")
        assert mean(name, "width 20, penalty 1") > mean(name, "width 1, penalty 1")
        assert mean(name, "width 1, penalty 0") > mean(name, "sampling, T 1, top-k 50") + 2
    biggest = max(
        row[m]["mean"] for ways in summary.values() for row in ways.values() for m in ("copied", "repeated")
    )
    assert biggest < 0.02


def test_the_data_cannot_tell_whether_dpo_loses_more_than_sft():
    """The lesson says: SFT loses most of what DPO loses; of the three paired contrasts one leaves 0 out
    of its 95% interval, and none does when corrected for three looks."""
    figure = drop_figure(stored_record("order-notes-search", "search")["underfitted"])
    contrasts = [row["drop"] for name, row in figure.data.items() if name.endswith("less SFT")]
    assert [abs(row["mean"]) > row["half_95"] for row in contrasts] == [True, False, False]
    wider = t.ppf(1 - 0.05 / 6, 9) / t.ppf(0.975, 9)
    assert all(len(row["values"]) == 10 for row in contrasts)
    assert all(abs(row["mean"]) < wider * row["half_95"] for row in contrasts)
    assert round(wider * contrasts[0]["half_95"], 2) == 0.58
    lost = {name: row["drop"]["mean"] for name, row in figure.data.items() if not name.endswith("less SFT")}
    assert lost["SFT"] > figure.data["SFT"]["drop"]["half_95"]
    assert lost["SFT"] > 0.7 * max(lost.values())


def test_what_the_lesson_says_of_best_of_n():
    kept = stored_record("order-notes-search", "search")["best of n"]
    mean = {name: round(row["mean"], 2) for name, row in kept.items()}
    likelihoods = mean["reference's likelihood"], mean["policy's likelihood"]
    assert (mean["one draw"], mean["implicit reward"], *likelihoods) == (3.72, 4.76, 5.72, 5.81)
    gain = contrast(kept["policy's likelihood"], kept["reference's likelihood"])
    assert plus_minus(gain, "+") == "+0.08 ± 0.08"


def test_what_the_lesson_says_of_single_seeds_and_of_greedy():
    summary = stored_record("order-notes-search", "search")["underfitted"]
    ends = summary["SFT"]["width 20, penalty 0"]["score"]["values"]
    assert sum(end < 0.01 for end in ends) == 3
    assert sum(lost <= 0.14 for lost in drop(summary, "SFT")) == 3
    for ways in summary.values():
        for penalty in (0, 1):
            five, one = (ways[f"width {width}, penalty {penalty}"]["win"] for width in (5, 1))
            gain = contrast(five, one)
            assert 0.02 < gain["mean"] < 0.045
            assert gain["mean"] < gain["half_95"] + 0.002
