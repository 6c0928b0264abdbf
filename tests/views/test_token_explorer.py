"""The token explorer: real widgets are moved, and what changed is asserted."""

import time
from inspect import signature

import numpy as np
import pytest
from chat_templates import ASK, TOOLS, calls, says, styled

from dpoq_lab.encoding import Response, encode_pairs
from dpoq_lab.models import build
from dpoq_lab.models import tiny as build_tiny
from dpoq_lab.preferences import Pair
from dpoq_lab.rewards import TokenScores, score_responses
from dpoq_lab.views import token_explorer as explorers
from dpoq_lab.views.token_explorer import TokenExplorer, token_detail


@pytest.fixture
def explorer(tiny, tokenizer, train_pairs):
    return TokenExplorer(tiny, build_tiny(seed=1), tokenizer, train_pairs[:4], beta=0.1)


def values(picker):
    return [cell.value for cell in picker.cells]


def test_it_opens_on_the_first_pair_with_both_responses(explorer, train_pairs):
    for role in ("chosen", "rejected"):
        shown = explorer.pickers[role].cells
        assert len(shown) == len(getattr(train_pairs[0], role).ids)
        assert shown[-1].text == "\u27e8EOS\u27e9"
        assert role in explorer.sums[role].value
    assert any(cell.flaw for cell in explorer.pickers["rejected"].cells)


def test_another_pair_changes_tokens_prompt_and_boxes(explorer, train_pairs):
    before = explorer.pickers["chosen"].cells
    explorer.pair.value = 2
    assert explorer.pickers["chosen"].cells != before
    assert explorer.edit["chosen"].value == train_pairs[2].pair.chosen
    assert train_pairs[2].pair.prompt[0]["content"][:9] in explorer.prompt.value


def test_choosing_a_token_shows_its_numbers_and_alternatives(explorer):
    explorer.pickers["rejected"].selected = 1
    scores = explorer._scores["rejected"]
    assert f"log pi = {explorers.signed(scores.logp_policy[1])}" in explorer.detail.value
    assert f"log pi_ref = {explorers.signed(scores.logp_reference[1])}" in explorer.detail.value
    assert explorer.detail.value.count("<code>") == 10
    explorer.pickers["chosen"].selected = 0
    assert explorer.pickers["rejected"].selected == -1


def test_beta_scales_every_reward_and_calls_no_model(explorer, monkeypatch):
    before = explorer._scores["rejected"].rewards(0.1)
    monkeypatch.setattr(explorers, "score_responses", lambda *a, **k: pytest.fail("a model was called"))
    explorer.pickers["rejected"].selected = 0
    detail = explorer.detail.value
    explorer.beta.value = 0.2
    assert values(explorer.pickers["rejected"]) == [explorers.signed(2 * r) for r in before]
    assert explorer.detail.value != detail


def test_an_edited_response_is_scored_by_the_models(explorer, tiny, tokenizer):
    text = explorer.edit["rejected"].value + " Sorry."
    explorer.edit["rejected"].value = text
    scores = explorer._scores["rejected"]
    assert scores.response.text == f"{text}<|end|>"
    expected = score_responses(tiny, build_tiny(seed=1), tokenizer, [scores.response])[0]
    assert scores.logp_policy == pytest.approx(expected.logp_policy)
    assert "Scored again" in explorer.message.value
    assert not any(cell.flaw for cell in explorer.pickers["rejected"].cells)


def test_text_that_cannot_be_scored_says_why_and_loses_nothing(explorer):
    before = values(explorer.pickers["rejected"])
    explorer.edit["rejected"].value = "no<|end|>way"
    assert "before its end" in explorer.message.value
    explorer.edit["rejected"].value = "  "
    assert "is empty" in explorer.message.value
    assert values(explorer.pickers["rejected"]) == before


def test_several_turns_are_shown_with_who_spoke_and_are_not_edited():
    """Grey cells for what others say; a plain reply beside them is edited as ever."""
    tokenizer = styled("ChatML")
    policy, reference = (build(tokenizer, hidden_size=32, layers=1, seed=seed) for seed in (0, 1))
    turns = [says("assistant", "At noon?"), says("user", "Yes."), says("assistant", "It is blue.")]
    pairs = encode_pairs(tokenizer, [Pair(ASK, turns, "Soup.")], 999).pairs
    explorer = TokenExplorer(policy, reference, tokenizer, pairs, beta=0.1)
    shown = explorer.pickers["chosen"].cells
    assert [not cell.seen for cell in shown] == pairs[0].chosen.actions
    assert all(cell.value == "" for cell in shown if cell.seen)
    assert explorer.edit["chosen"].value == "assistant: At noon?\nuser: Yes.\nassistant: It is blue."
    assert explorer.edit["chosen"].disabled
    assert not explorer.edit["rejected"].disabled
    explorer.pickers["chosen"].selected = pairs[0].chosen.actions.index(False)
    assert "read, not chosen by the policy" in explorer.detail.value
    explorer.edit["rejected"].value = "Blue."
    assert explorer._scores["rejected"].response.text == "Blue.<|im_end|>"


def test_the_whole_conversation_and_its_tools_are_read_again_when_a_reply_is_edited():
    tokenizer = styled("ChatML")
    policy = build(tokenizer, hidden_size=32, layers=1)
    prompt = [*ASK, calls("sky", hour=12), says("tool", "blue")]
    pairs = encode_pairs(tokenizer, [Pair(prompt, "Blue.", "Soup.", tools=TOOLS)], 999).pairs
    explorer = TokenExplorer(policy, policy, tokenizer, pairs, beta=0.1)
    assert "assistant: {&#x27;name&#x27;: &#x27;sky&#x27;" in explorer.prompt.value
    assert "tool: blue" in explorer.prompt.value
    explorer.edit["rejected"].value = "Grey."
    assert explorer._scores["rejected"].response.prompt_ids == pairs[0].rejected.prompt_ids


def test_hostile_text_is_escaped_wherever_it_is_shown(explorer):
    explorer.edit["rejected"].value = "<img src=x onerror=alert(1)>"
    for index in range(len(explorer.pickers["rejected"].cells)):
        explorer.pickers["rejected"].selected = index
        assert "<img" not in explorer.detail.value
    assert "<img" not in explorer.prompt.value + explorer.message.value


def test_a_hostile_alternative_is_escaped():
    hostile = [("<img src=x onerror=alert(1)>", -1.0)]
    response = Response([0], [1], [(0, 3)], "<b>")
    scores = TokenScores(response, [-1.0], [-2.0], [0.0], [0.0], [hostile], [hostile], [0.0])
    detail = token_detail(scores, 0, 0.1)
    assert "<img" not in detail
    assert "<b><b>" not in detail
    assert detail.count("&lt;img") == 2


def test_moving_beta_redraws_within_100_ms(explorer):
    times = []
    for beta in np.linspace(0.01, 2.0, 40):
        start = time.thread_time()
        explorer.beta.value = round(float(beta), 2)
        times.append(time.thread_time() - start)
    assert np.quantile(times, 0.95) < 0.1


def test_the_colours_are_fixed_at_five_times_the_first_beta(explorer):
    assert "+0.50" in explorer.scale.value
    explorer.beta.value = 0.4
    assert "+0.50" in explorer.scale.value
    assert (explorer.beta.min, explorer.beta.max, explorer.beta.step) == (0.01, 2.0, 0.01)
    share = [cell.share for cell in explorer.pickers["chosen"].cells]
    rewards = explorer._scores["chosen"].rewards(0.4)
    assert share == pytest.approx([max(-1, min(1, r / 0.5)) for r in rewards])


def test_another_pair_forgets_the_token_and_the_message(explorer):
    explorer.edit["chosen"].value += " More."
    explorer.pickers["chosen"].selected = 0
    assert "Choose a token" not in explorer.detail.value
    explorer.pair.value = 1
    assert (explorer.message.value, explorer.pickers["chosen"].selected) == ("", -1)
    assert "Choose a token" in explorer.detail.value
    explorer.pickers["chosen"].selected = 0
    explorer.edit["chosen"].value += " More."
    assert "Choose a token" not in explorer.detail.value  # the token at that place is shown again
    for role in ("chosen", "rejected"):
        total = explorers.signed(sum(explorer._scores[role].rewards(0.1)))
        assert explorer.sums[role].value == f"<b>{role}: sum of r_hat {total}</b>"


def test_a_text_that_is_put_back_has_its_flaws_again(explorer):
    before = explorer.edit["rejected"].value
    flaws = [cell.flaw for cell in explorer.pickers["rejected"].cells]
    explorer.edit["rejected"].value = before + " More."
    explorer.edit["rejected"].value = before
    assert [cell.flaw for cell in explorer.pickers["rejected"].cells] == flaws
    assert explorer.message.value == f"Scored again: {len(flaws)} tokens."


def test_a_tokens_numbers_and_what_either_preferred():
    """beta 0.5, log pi -1 and log pi_ref -3: r_hat is +1; each model has its own alternatives."""
    response = Response([0], [1], [(0, 1)], "a")
    scores = TokenScores(response, [-1.0], [-3.0], [0.0], [0.0], [[("b", -0.5)]], [[("c d", -0.25)]], [0.0])
    detail = token_detail(scores, 0, 0.5)
    assert "<b>a</b> &nbsp; r_hat = +1.00 &nbsp; log pi = \u22121.00 &nbsp; log pi_ref = \u22123.00" in detail
    assert "<th>policy preferred</th><td><code>b</code> \u22120.50</td>" in detail
    assert "<th>reference preferred</th><td><code>c\u00b7d</code> \u22120.25</td>" in detail


def test_what_stands_where(explorer, train_pairs):
    """Controls, prompt, scale, the two replies with their sums, the token, the boxes with a message below."""
    parts = ("controls", "prompt", "scale", "columns", "detail", "editor")
    assert list(explorer.children[-6:]) == [getattr(explorer, part) for part in parts]
    assert explorer.controls.children == (explorer.pair, explorer.beta)
    assert [column.children for column in explorer.columns.children] == [
        (explorer.sums[role], explorer.pickers[role]) for role in ("chosen", "rejected")
    ]
    hint, *boxes, message = explorer.editor.children
    assert hint.value == "Edit a response and leave the box: it is scored again by both models."
    assert (boxes, message) == ([explorer.edit["chosen"], explorer.edit["rejected"]], explorer.message)
    for role, box in explorer.edit.items():
        assert (box.description, box.rows, box.continuous_update, box.layout.width) == (role, 3, False, "98%")
        assert (box.disabled, box.value) == (False, getattr(train_pairs[0].pair, role))
    assert explorer.prompt.value.startswith('<div style="white-space:pre-wrap"><b>Prompt</b> ')
    assert explorer.detail.value == "Choose a token by click, or by Tab and the arrow keys."


def test_what_is_said_of_an_empty_reply_names_it(explorer):
    for role in ("chosen", "rejected"):
        explorer.edit[role].value = " "
        still = "response is empty; the scores are still those of the text before.</b>"
        assert explorer.message.value == f"<b>The {role} {still}"


def test_the_token_that_is_chosen_is_of_one_reply(explorer):
    """Its numbers follow beta and its reply; an index of none changes nothing."""
    for role, other in (("chosen", "rejected"), ("rejected", "chosen")):
        explorer.pickers[role].selected = 1
        assert explorer.pickers[other].selected == -1
        for beta in (0.3, 0.1):
            explorer.beta.value = beta
            assert explorer.detail.value == token_detail(explorer._scores[role], 1, beta)
        explorer._choose(other, -1)
        assert explorer.detail.value == token_detail(explorer._scores[role], 1, 0.1)
    last = len(explorer._scores["rejected"].response.ids) - 1
    explorer.pickers["rejected"].selected = last
    assert explorer.detail.value == token_detail(explorer._scores["rejected"], last, 0.1)
    explorer.edit["rejected"].value = "No."  # it has no such token
    assert explorer.detail.value == "Choose a token by click, or by Tab and the arrow keys."


def test_a_reply_is_cut_at_the_length_that_was_asked_for(tiny, tokenizer, train_pairs):
    room = len(train_pairs[0].rejected.prompt_ids) + 2
    explorer = TokenExplorer(tiny, tiny, tokenizer, train_pairs[:1], max_length=room)
    explorer.edit["rejected"].value = "No no no no."
    assert len(explorer._scores["rejected"].response.ids) == 2
    assert explorer.message.value == "Scored again: 2 tokens."
    given = {name: p.default for name, p in signature(TokenExplorer).parameters.items()}
    assert (given["beta"], given["max_length"]) == (0.1, 512)
