"""The report's parts by hand: the verdict, the plane, rewards along a reply, lines above the numbers."""

import re
from dataclasses import replace

import pytest
from hand_made import summarise, texts
from test_summary import CHOSEN, REJECTED

from dpoq_lab.encoding import Response
from dpoq_lab.rewards import TokenScores
from dpoq_lab.runs.diagnosis import Diagnosis, Finding, diagnose
from dpoq_lab.runs.logs import Log
from dpoq_lab.runs.token_file import ScoredRow
from dpoq_lab.views import report
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.pair_pictures import along, plane
from dpoq_lab.views.summary_view import not_scored_line, steepest_table, summary_line, truncated_line
from dpoq_lab.views.verdict import headline, verdict, verdict_lines

SUMMARY = summarise([(CHOSEN, REJECTED), (REJECTED, CHOSEN)], beta=0.1)


def finding(kind, cause="a < cause", sure="clear"):
    return Finding(cause, kind, sure, "it & that", "mend < it", "05_x")


@pytest.mark.parametrize(
    ("kind", "cause", "line"),
    [
        ("data fault", "truncation", "A fault of the data: truncation"),
        ("scoring mismatch", "dropout", "Two scorings that do not match: dropout"),
        ("too much pressure", "too much pressure", "Too much pressure"),
        ("too much pressure", "displacement", "Too much pressure: displacement"),
        ("expected", "expected: it falls", "Expected, not broken: it falls"),
        ("nothing learned", "nothing learned", "Nothing learned"),
        ("healthy", "healthy", "No fault found"),
    ],
)
def test_the_verdict_in_a_line(kind, cause, line):
    """A caution that stands beside it is none."""
    found = Diagnosis([finding(kind, cause), finding("caution", "bf16")], {}, [])
    assert headline(found) == line


def test_a_verdict_in_words_whole():
    """The first finding with what to do, the others shortly, and what was not tested."""
    found = Diagnosis([finding("data fault"), finding("caution", "b", "likely")], {}, ["c: needs <d>"])
    assert verdict(found) == (
        '<section class="dpoq-verdicts"><h1>A fault of the data: a &lt; cause</h1>'
        "<p><b>Clear.</b> It &amp; that.</p>"
        "<p><b>What to do.</b> mend &lt; it Lesson 05_x shows why.</p>"
        "<p><b>Also: b.</b> It &amp; that. mend &lt; it</p>"
        "<details><summary>Not tested: 1 causes</summary><ul><li>c: needs &lt;d&gt;</li></ul></details>"
        "</section>"
    )
    assert verdict_lines(found) == [
        "verdict: a < cause (clear): it & that\n  mend < it (lesson 05_x)",
        "also: b (likely): it & that\n  mend < it (lesson 05_x)",
        "not tested: c: needs <d>",
    ]
    assert "<details>" not in verdict(Diagnosis([finding("data fault")], {}, []))


def test_the_colours_are_of_98_percent_of_the_rewards():
    """51 rewards of 0.1 to 5.1: place 0.98 * 50 = 49 is 5.0. No reward: 0.001; no token: 1."""
    sizes = [replace(CHOSEN, logp_policy=[-k / 10], logp_reference=[0.0]) for k in range(51, 0, -1)]
    assert report.colour_limit(sizes, 1.0) == pytest.approx(5.0)
    assert report.colour_limit(sizes[-1:], 0.0) == 1e-3
    assert report.colour_limit([], 1.0) == 1.0


def test_the_curves_of_a_run_are_by_its_own_steps():
    rows = [{"chosen": 1.0, "rejected": 2.0, "step": 10.0}, {"chosen": 3.0, "rejected": 5.0}]
    [figure] = report.run_curves(Log(rows, None))
    assert list(figure.data["chosen"].x) == [10, 1]  # a record without a step has its number
    assert (figure.data["chosen"].y, figure.data["rejected"].y) == ([1.0, 3.0], [2.0, 5.0])
    assert figure.reading.startswith("Step 10 to 1, logged reward: ")
    assert report.run_curves(Log(rows[:1], None)) == report.run_curves(None) == []
    page = report.curves_page(diagnose({}), Log(rows, None))
    assert page.startswith("<!doctype html>")
    assert "<title>dpoq-lab diagnose</title>" in page
    assert page.index("<h1>Cannot tell") < page.index("<figure")


def test_the_lines_above_the_numbers():
    """What was scored; what was cut; what TRL scores and this does not, once each."""
    said = "1 pairs have a reply that was cut off: its sum lacks the end"
    assert truncated_line({"truncated": 1}) == said
    assert truncated_line({"truncated": 0}) == ""
    names = {"policy": "a", "reference": "b", "source": "c", "beta": 0.25}
    assert summary_line(names) == "policy a, reference b, pairs c, beta 0.25"
    said = not_scored_line({"observations": 3, "responses": 8, "tails": {"\n": 2}})
    assert said == (
        "Not scored: 3 tokens that others or the chat template wrote (grey); '\\n' after the end of 2 of 8 "
        "responses. TRL scores it all; so does --whole-yield."
    )
    assert not_scored_line({"observations": 0, "responses": 8, "tails": {}}) == ""
    row = {"pair": 0, "role": "chosen", "at": 1, "token": "a", "log_ratio": 1.0, "lost": []}
    row |= {"gained": [["a b", 0.25, 0.5], ["c", 0.1, 0.2], ["d", 0.0, 0.1]]}
    assert steepest_table([row]).rows[1][4:] == (
        "a\u00b7b (0.25\u00a0\u2192\u00a00.5), c (0.1\u00a0\u2192\u00a00.2)",
        "",
    )


def test_the_plane_whole():
    """Dots of both kinds in their colours, the mean, a cross at minus the KL a token, the run behind them."""
    facts = {"chosen": 2.0, "rejected": -6.0, "chosen_tokens": 4.0, "rejected_tokens": 2.0, "beta": 0.5}
    facts |= {"chosen_kl": 1.0, "rejected_kl": 5.0}
    found = plane(
        SUMMARY | {"facts": facts, "plane": [[1.0, -1.0, 0.2], [-2.0, 3.0, -0.1], [0.5, 0.5, -0.3]]}
    )
    series = {name: (list(s.x), s.look.colour, s.look.symbol, s.marks) for name, s in found.data.items()}
    even = series.pop("chosen = rejected")
    assert even == ([pytest.approx(-2.18), pytest.approx(1.18)], "grey", "circle", "line")  # of both axes
    assert series == {
        "ranked right": ([1.0], "more", "circle", "dots"),
        "wrong": ([-2.0, 0.5], "less", "diamond", "dots"),
        "mean": ([0.5], "ink", "star", "dots"),
        "text of pi_ref": ([-0.25], "ink", "cross", "dots"),
    }
    assert [list(found.data[name].y) for name in ("mean", "text of pi_ref")] == [[-3.0], [-2.5]]
    assert [found.data[name].seeds for name in ("ranked right", "wrong")] == [[[-1.0]], [[3.0], [0.5]]]
    assert found.reading.startswith(
        "Chosen moved by +0.50 and rejected by \u22123.00 nats a token; text such as the reference writes by "
        "\u22120.25 and \u22122.50 at the same places (the cross)."
    )
    assert (found.width, found.height) == (620, 400)
    titles = [text for text in texts(found) if text.startswith("change of")]
    assert titles == ["change of log pi(chosen), nats a token", "change of log pi(rejected)"]
    log = Log([{"chosen": 1.0, "rejected": -2.0}, {"chosen": 3.0, "rejected": -4.0}], None)
    run = plane(SUMMARY | {"facts": facts, "plane": [[1.0, -1.0, 0.2]]}, log).data["the run"]
    assert (list(run.x), list(run.y)) == ([0.5, 0.5, 1.5], [-2.0, -2.0, -4.0])
    assert (
        "the run"
        not in plane(SUMMARY | {"facts": facts | {"beta": 0.0}, "plane": [[1.0, -1.0, 0.2]]}, log).data
    )


def means(chosen, rejected, half_chosen, half_rejected):
    return {
        "along": {"chosen": chosen, "rejected": rejected},
        "half_reach": {"chosen": half_chosen, "rejected": half_rejected},
    }


def test_along_the_replies_whole():
    found = along(means([0.5, -0.25], [0.1, -0.5, 0.2], 1, 2))
    assert {name: (list(s.x), list(s.y), s.look.colour) for name, s in found.data.items()} == {
        "chosen": ([1, 2], [0.5, -0.25], "more"),
        "rejected": ([1, 2, 3], [0.1, -0.5, 0.2], "less"),
        "half reach this far": ([1, 2], [0.5, -0.5], "ink"),
    }
    assert found.reading.startswith(
        "The lowest mean reward is \u22120.50 nats, at token 2 of the rejected replies. Drawn as far"
    )
    up = along(means([0.5], [0.7], 1, 1))
    assert up.reading.startswith("The lowest mean reward is +0.50 nats, at token 1 of the chosen replies. ")
    shown = texts(found)
    assert {"token of the reply", "mean r_hat", "1", "3", "0"} <= set(shown)
    assert (found.height, along(means([], [0.7], 0, 1)).height) == (300, 300)


def test_each_picture_has_one_for_a_phone():
    def make(width):
        return [Figure("", width, k, "alt", "reading") for k in (7, 8)]

    sizes = re.findall(r'width="(\d+)" height="(\d+)"', report._pictures(make, 500))
    assert sizes == [("500", "7"), ("380", "7"), ("500", "8"), ("380", "8")]


def test_how_many_pairs_are_shown_of_all():
    pair = ScoredRow("a:1", "say", (CHOSEN, REJECTED))
    for shown, total, said in (
        (1, 1, "The pair"),
        (2, 2, "All 2 pairs"),
        (2, 3, "2 of 3 pairs: the first, and those of the smallest summed margin"),
    ):
        summary = {"beta": 0.1, "pair_accuracy": {"pairs": total}}
        found = report._pairs(summary, [(k, pair) for k in range(shown)])
        assert found.startswith(f"<h2>{said}</h2>")
        assert re.findall(r'<section class="dpoq-pair" data-number="(\d)"', found) == list("01"[:shown])


def test_a_pair_in_the_page_whole():
    """Its margin, the sum a token, what is searched, and each reply's sum."""
    chosen, rejected = (
        TokenScores(
            Response([0], list(logp), [(k, k + 1) for k in range(len(logp))], text), logp, ref, *[[]] * 5
        )
        for text, logp, ref in (('a"', [-1.0, -2.0], [-2.0, -4.0]), ("b", [-3.0], [-1.0]))
    )
    found = report._pair_section(4, ScoredRow("a:1", "say <b>", (chosen, rejected)), 0.5, 1.0)
    assert found.startswith(
        '<section class="dpoq-pair" data-number="4" data-margin="2.500000" data-wrong="0.83333333" '
        'data-text="a&quot; | b"><h3>Pair 4: margin +2.50</h3><div class="dpoq-prompt">say &lt;b&gt;</div>'
    )
    assert re.findall(r'<div class="dpoq-caption">(.*?)</div>', found) == [
        *("chosen: sum of r_hat +1.50", "rejected: sum of r_hat \u22121.00"),
    ]
    assert re.findall(r"--share:(\d+%)", found) == ["50%", "100%", "100%"]


def test_the_curves_of_a_run_are_as_wide_as_asked():
    log = Log([{"chosen": 1.0, "rejected": 2.0}, {"chosen": 3.0, "rejected": 5.0}], None)
    assert [report.run_curves(log)[0].width, report.run_curves(log, 380)[0].width] == [760, 380]


def test_where_probability_went_has_two_digits_and_a_minus():
    """The two largest, pi_ref before pi; of a small share the exponent has the sign of the page."""
    row = {"pair": 0, "role": "chosen", "at": 1, "token": "a", "log_ratio": 1.0, "gained": []}
    row |= {"lost": [["b", 0.1234, 0.0000012], ["c", 0.5, 0.25], ["d", 1.0, 0.0]]}
    assert steepest_table([row]).rows[1] == (
        *("0", "chosen", "1: a", "+1.00", ""),
        "b (0.12\u00a0\u2192\u00a01.2e\u221206), c (0.5\u00a0\u2192\u00a00.25)",
    )


def test_a_pair_without_an_action_is_wrong_by_nothing():
    read = Response([0], [1], [(0, 1)], "a", actions=[False])
    side = TokenScores(read, [0.0], [0.0], *[[]] * 5)
    found = report._pair_section(0, ScoredRow("a:1", "say", (side, side)), 0.5, 1.0)
    assert 'data-margin="0.000000" data-wrong="0.00000000"' in found
