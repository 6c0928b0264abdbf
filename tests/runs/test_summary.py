"""The numbers of `summary.json`, by hand: where rewards lie, who falls, the worst and the steepest."""

from dataclasses import replace
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
from hand_made import one_character_tokens, summarise

from dpoq_lab.credit import changed_sides
from dpoq_lab.rewards import Shift
from dpoq_lab.runs import summary
from dpoq_lab.runs.summary import Picked, length_group, parts_of
from dpoq_lab.runs.token_file import ScoredRow


def scored(ids, ratios, ends=(), shift=None):
    """A response whose tokens have these log-ratios, under a reference that gives each -5 nats."""
    made = one_character_tokens(ids, [r - 5.0 for r in ratios], [-5.0] * len(ids))
    return replace(made, response=replace(made.response, ends=ends), shift=shift)


# a b c d EOS against a x c EOS: a is the shared start, c comes later on both sides
CHOSEN = scored([1, 2, 3, 4, 0], [0.5, 1.0, 2.0, 4.0, 8.0], ends=(4,))
REJECTED = scored([1, 9, 3, 0], [-0.25, -1.0, -2.0, -4.0], ends=(3,))


def test_each_token_is_in_one_part():
    assert parts_of((CHOSEN, REJECTED), changed_sides((CHOSEN, REJECTED))) == [
        ["shared start", "changed", "shared later", "changed", "end"],
        ["shared start", "changed", "shared later", "end"],
    ]


def test_rewards_are_split_by_part_and_length():
    """A second pair has longer replies, so the rows of all are means over two and the others over one."""
    long = (scored([1] * 16 + [2], [0.1] * 17), scored([1] * 16 + [3], [0.2] * 17))
    rows = {
        (row["actions"], row["side"]): row
        for row in summarise([(CHOSEN, REJECTED), long], 0.5)["reward_parts"]
    }
    assert set(rows) == {(n, side) for n in ("all", "1-16", "17-32") for side in ("chosen", "rejected")}
    short = rows["1-16", "chosen"]
    assert [short[part] for part in summary.PARTS] == [0.25, 2.5, 1.0, 4.0]
    assert [rows["1-16", "rejected"][part] for part in summary.PARTS] == [-0.125, -0.5, -1.0, -2.0]
    assert rows["17-32", "rejected"]["shared start"] == pytest.approx(0.5 * 16 * 0.2)
    assert rows["all", "chosen"]["replies"] == 2
    assert rows["all", "chosen"]["changed"] == pytest.approx((2.5 + 0.5 * 0.1) / 2)


def test_replies_of_a_pair_may_lie_in_two_groups():
    table = summarise([(CHOSEN, scored([1] * 17, [0.25] * 17))], 0.5)["reward_parts"]
    rows = [(row["actions"], row["side"], row["replies"], row["shared start"]) for row in table]
    chosen, rejected = ("chosen", 1, 0.25), ("rejected", 1, 0.125)
    assert rows == [("all", *chosen), ("all", *rejected), ("1-16", *chosen), ("17-32", *rejected)]
    table = summarise([(CHOSEN, scored([1] * 257, [0.25] * 257))], 0.5)["reward_parts"]
    assert [row["actions"] for row in table] == ["all", "all", "1-16", "257 and more"]


def test_the_parts_add_up_to_the_mean_rewards():
    found = summarise([(CHOSEN, REJECTED), (REJECTED, CHOSEN), (CHOSEN, CHOSEN)], beta=0.3)
    for side in ("chosen", "rejected"):
        [row] = [r for r in found["reward_parts"] if (r["actions"], r["side"]) == ("all", side)]
        assert sum(row[part] for part in summary.PARTS) == pytest.approx(found[f"{side}_reward_sum_mean"])


def test_lengths_are_grouped_at_their_ends():
    assert [length_group(n) for n in (1, 16, 17, 256, 257)] == [
        "1-16",
        "1-16",
        "17-32",
        "129-256",
        "257 and more",
    ]


def test_who_falls():
    """Sums: up and down, up and down, down and down, up and up, down and up: chosen 2, rejected 3, both 1."""
    up, down = scored([1], [1.0]), scored([2], [-1.0])
    falls = summarise([(up, down), (up, down), (down, down), (up, up), (down, up)], 0.1)["falls"]
    assert {side: found["share"] for side, found in falls.items()} == {
        "chosen": 0.4,
        "rejected": 0.6,
        "both": 0.2,
    }
    assert falls["both"]["interval_95"] == [0.0362, 0.6245]  # Wilson, 1 of 5
    still = scored([3], [0.0])  # a reply that stays does not fall
    falls = summarise([(still, still), (still, down)], 0.1)["falls"]
    assert {side: found["share"] for side, found in falls.items()} == {
        "chosen": 0,
        "rejected": 0.5,
        "both": 0,
    }


def test_the_worst_pairs_come_first_and_ties_keep_the_order():
    pairs = [
        (scored([1], [c]), scored([2], [r])) for c, r in [(1.0, 0.0), (0.0, 3.0), (0.0, 1.0), (1.0, 2.0)]
    ]
    worst = summarise(pairs, beta=0.5)["worst_pairs"]
    assert [(row["pair"], row["where"], row["margin"]) for row in worst] == [
        (1, "pairs.jsonl:2", -1.5),
        (2, "pairs.jsonl:3", -0.5),
        (3, "pairs.jsonl:4", -0.5),
        (0, "pairs.jsonl:1", 0.5),
    ]


def test_only_the_largest_are_kept(monkeypatch):
    monkeypatch.setattr(summary, "SHOWN", 2)
    up = scored([1], [1.0])
    pairs = [(up, scored([2], [r])) for r in (0.0, 3.0, 2.0, 3.0)]
    assert [row["pair"] for row in summarise(pairs, 1.0)["worst_pairs"]] == [1, 3]


def test_the_steepest_tokens_say_where_probability_went():
    shift = Shift(1, [("b", 0.1, 0.3)], [("x", 0.5, 0.2)])
    steep = scored([1, 2, 0], [0.0, -3.0, 0.0], shift=shift)
    mild = scored([1, 3, 0], [0.0, 2.0, 0.0], shift=Shift(1, [], []))
    first, second = summarise([(mild, steep)], 0.1)["steepest_tokens"]
    assert first == {
        **{"pair": 0, "where": "pairs.jsonl:1", "role": "rejected", "at": 1, "token": "x", "log_ratio": -3.0},
        **{"gained": [["b", 0.1, 0.3]], "lost": [["x", 0.5, 0.2]]},
    }
    assert (second["role"], second["log_ratio"]) == ("chosen", 2.0)


def test_credit_is_judged_over_an_even_draw(monkeypatch):
    """Each of 40 pairs is kept in about a quarter of the draws of ten, whatever its place."""
    monkeypatch.setattr(summary, "KEPT", 10)
    kept = np.zeros(40)
    for seed in range(200):
        tally = summary.Tally(1.0)
        tally.draws.seed(seed)
        for number in range(40):
            tally._keep(number, (CHOSEN, REJECTED), changed_sides((CHOSEN, REJECTED)))
        numbers = [number for number, _ in tally.kept]
        assert len(set(numbers)) == 10
        kept[numbers] += 1
    assert kept.min() > 25  # of 200, expected 50
    assert kept.max() < 80
    assert np.mean(kept[:10]) == pytest.approx(50, abs=6)


def test_few_pairs_are_all_judged():
    assert summarise(islice(iter([(CHOSEN, REJECTED)] * 3), 3), 1.0)["credit"]["pairs"] == 3


def test_what_others_said_is_counted_and_has_no_part_in_the_means_a_token():
    """Two of five tokens of chosen are another's, with a tail: KLs are shared by 3 + 4 actions."""
    seen = replace(
        CHOSEN,
        response=replace(CHOSEN.response, actions=[True, False, False, True, True], tail="\n"),
        kl_ref_pi=[0.7, 0.0, 0.0, 0.7, 0.7],
        kl_pi_ref=[1.4, 0.0, 0.0, 0.0, 0.0],
    )
    found = summarise([(seen, replace(REJECTED, kl_pi_ref=[0.7, 0.0, 0.0, 0.0]))], beta=0.5)
    assert found["not_scored"] == {"responses": 2, "observations": 2, "tails": {"\n": 1}}
    assert found["kl_ref_pi_token_mean"] == pytest.approx(0.3)
    assert found["kl_pi_ref_token_mean"] == pytest.approx(0.3)


def test_of_equally_steep_tokens_the_first_comes_first(monkeypatch):
    """By pair and then by side; of more than are shown the last are left out."""
    flat = [scored([1, 0], [2.0, 0.0], shift=Shift(0, [], [])) for _ in range(2)]
    found = summarise([tuple(flat)] * 2, 0.1)["steepest_tokens"]
    order = [(row["pair"], row["role"]) for row in found]
    assert order == [(0, "chosen"), (0, "rejected"), (1, "chosen"), (1, "rejected")]
    monkeypatch.setattr(summary, "SHOWN", 3)
    found = summarise([tuple(flat)] * 2, 0.1)["steepest_tokens"]
    assert [(row["pair"], row["role"]) for row in found] == order[:3]


def test_the_reward_along_the_replies_ends_where_fewer_than_a_tenth_reach(monkeypatch):
    """One of ten replies has a third token; one of twenty is too few; places beyond are not kept."""
    short, long = scored([1, 2], [1.0, 2.0]), scored([1, 2, 3], [1.0, 2.0, 4.0])
    assert summarise([(long, short), *[(short, short)] * 9], 0.5)["along"] == {
        "chosen": [0.5, 1.0, 2.0],
        "rejected": [0.5, 1.0],
    }
    assert summarise([(long, short), *[(short, short)] * 19], 0.5)["along"]["chosen"] == [0.5, 1.0]
    one = scored([1], [1.0])  # twenty replies, half of one token: two must reach a place
    found = summarise([(long, one), *[(short, one)] * 9, *[(one, one)] * 10], 0.5)["along"]["chosen"]
    assert found == [0.5, 1.0]
    monkeypatch.setattr(summary, "PLACES", 2)
    assert summarise([(long, short)], 0.5)["along"]["chosen"] == [0.5, 1.0]


def test_the_dots_of_the_plane_are_spread_over_the_file(monkeypatch):
    monkeypatch.setattr(summary, "DOTS", 3)
    pairs = [(scored([1, 2], [k, k]), scored([1], [-3.0 * k])) for k in (0.0, 1.0, 2.0, 3.0, 4.0)]
    assert summarise(pairs, 0.1)["plane"] == [[0.0, 0.0, 0.0], [2.0, -6.0, 1.0], [4.0, -12.0, 2.0]]


def test_a_page_shows_the_first_pairs_and_then_the_worst_of_the_others():
    picked = Picked(beta=0.5, first=1, worst=2)
    down = scored([2], [-1.0])
    for number, ratio in enumerate([-9.0, 1.0, -2.0, 1.0, -1.0]):
        picked.add(number, ScoredRow(str(number), "", (scored([1], [ratio]), down)))
    assert [(number, row.where) for number, row in picked.shown()] == [(0, "0"), (2, "2"), (4, "4")]
    assert Picked(0.1).sizes == (40, 10)


def test_the_draw_is_of_as_many_places_as_there_are_pairs(monkeypatch):
    """Algorithm R: pair n takes a place of n + 1, and stays only if it is one of those kept."""
    monkeypatch.setattr(summary, "KEPT", 2)
    asked, places = [], iter([1, 2, 0])
    tally = summary.Tally(1.0)
    tally.draws = SimpleNamespace(randrange=lambda n: (asked.append(n), next(places))[1])
    for number in range(5):
        tally._keep(number, (CHOSEN, REJECTED), changed_sides((CHOSEN, REJECTED)))
    assert asked == [3, 4, 5]
    assert [number for number, _ in tally.kept] == [4, 2]


def test_half_of_the_replies_is_half_or_more():
    """Of four two, of three two, of two one, of one one."""
    for replies, last in (([4, 3, 2, 1], 3), ([3, 2, 1], 2), ([2, 1, 0], 2), ([1, 1, 0], 2), ([1, 0], 1)):
        assert summary._half(np.array(replies, dtype=float)) == last


def test_how_much_is_kept():
    kept = (summary.KEPT, summary.PLACES, summary.DOTS, summary.SHOWN, summary.LENGTHS)
    assert kept == (1000, 256, 400, 10, (16, 32, 64, 128, 256))
