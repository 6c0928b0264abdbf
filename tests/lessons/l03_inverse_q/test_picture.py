"""Lesson 03's picture: the terms are the solver's, and what is crossed out adds up to nothing."""

import pytest
from hand_made import elements, texts

from dpoq_lab.lessons.l03_inverse_q.picture import LOSER, W, frames, the_reply
from dpoq_lab.theory.example_trees import TOKENS, polite_tree
from dpoq_lab.theory.soft_bellman import implicit_reward, solve
from dpoq_lab.theory.token_mdp import reply_names, trajectory_sums

FRAMES = frames()
MDP, R = polite_tree()
EXACT = solve(MDP, R)
REPLIES = [the_reply("w", W), the_reply("l", LOSER)]


def crossed_out(step):
    return [[term.name for terms in reply.terms for term in terms if term.goes <= step] for reply in REPLIES]


@pytest.mark.parametrize("reply", REPLIES, ids=["w", "l"])
def test_the_terms_of_each_token_make_its_r_hat(reply):
    for terms, r_hat in zip(reply.terms, reply.r_hat, strict=True):
        assert sum(term.value for term in terms) == pytest.approx(r_hat, abs=1e-12)
    y = reply_names(MDP, TOKENS).index(" ".join(reply.words))
    assert pytest.approx(trajectory_sums(R)[y]) == reply.R
    assert sum(reply.r_hat) == pytest.approx(trajectory_sums(implicit_reward(MDP, EXACT.pi))[y])
    assert sum(reply.r_hat) == pytest.approx(reply.R - EXACT.V[0][0], abs=1e-12)


def test_neighbours_go_together_and_the_start_goes_last():
    assert crossed_out(1) == [[], []]
    assert crossed_out(2) == [["+V*(thanks)", "\u2212V*(thanks)"], ["+V*(no)", "\u2212V*(no)"]]
    assert crossed_out(3)[1] == ["+V*(no)", "\u2212V*(no)", "+V*(no no)", "\u2212V*(no no)"]
    assert crossed_out(4)[0] == ["+V*(thanks)", "\u2212V*(thanks)", "+V*(end)"]
    left = [[t.name for terms in reply.terms for t in terms if t.goes > 5] for reply in REPLIES]
    assert left == [["r"] * 2, ["r"] * 3]
    for reply in REPLIES:
        assert sum(t.value for terms in reply.terms for t in terms if t.goes in (2, 3, 4)) == pytest.approx(0)


def test_the_frames_have_one_size_and_cross_out_what_they_say():
    assert {(frame.width, frame.height) for frame in FRAMES} == {(1070, 336)}
    assert len({frame.reading for frame in FRAMES}) == len(FRAMES)
    for step, frame in enumerate(FRAMES):
        assert len(elements(frame, "path", "dpoq-edge")) == (step > 0) * sum(map(len, crossed_out(step)))
    said = " ".join(texts(FRAMES[-1]))
    assert "R(w) \u2212 R(l) = +1.00 \u2212 (\u22122.00) = +3.00" in said
    assert "probability \u03c3(3.00) = 0.953" in said
