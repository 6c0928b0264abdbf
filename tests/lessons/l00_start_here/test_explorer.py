"""Lesson 00's explorer: a stored run at any beta."""

from dpoq_lab.commands.inspect import token_records
from dpoq_lab.lessons.l00_start_here.explorer import RunViewer
from dpoq_lab.models import tiny as build_tiny
from dpoq_lab.rewards import score_responses
from dpoq_lab.views.token_view import signed


def test_run_viewer_shows_the_stored_rewards_at_any_beta(tiny, tokenizer, train_pairs):
    responses = [response for pair in train_pairs[:2] for response in (pair.chosen, pair.rejected)]
    scores = score_responses(tiny, build_tiny(seed=1), tokenizer, responses, top=0)
    records = list(token_records(list(zip(scores[::2], scores[1::2], strict=True)), 0.1))
    viewer = RunViewer(records, 0.1)
    total = sum(scores[0].rewards(0.1))
    assert signed(total) in viewer.view.value
    viewer.beta.value = 0.3
    assert signed(3 * total) in viewer.view.value
    before = viewer.view.value
    viewer.pair.value = 1
    assert viewer.view.value != before
