"""Lesson 08's explorer: stored curves move with the choice; a live run stops, goes on, and starts anew."""

import pytest

from dpoq_lab.lessons.l08_reference_policy.explorer import ASKED, KL, ReferenceExplorer, field_shown
from dpoq_lab.lessons.l08_reference_policy.picture import FIELDS
from dpoq_lab.order_notes.recipe import stored_policies
from dpoq_lab.views.prediction import Prediction


@pytest.fixture
def explorer():
    return ReferenceExplorer(stored_policies(), steps=10)


def test_a_stored_run_is_drawn_as_rewards_or_as_likelihoods(explorer):
    first = explorer.picture.data["chosen"].y
    assert "KL(mu_w, pi_ref)" in explorer.reading.value
    explorer.run.value = "SFT 80 on chosen, off-policy pairs"
    second = explorer.picture.data["chosen"].y
    assert second != first
    explorer.shown.value = "log pi"
    assert max(explorer.picture.data["chosen"].y) < -5
    explorer.shown.value = "r_hat"
    assert explorer.picture.data["chosen"].y == second
    margin = [
        a - b
        for a, b in zip(explorer.picture.data["chosen"].y, explorer.picture.data["rejected"].y, strict=True)
    ]
    assert list(explorer.picture.data["margin"].y) == pytest.approx(margin)


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("base, off-policy pairs", "at the end +0.23, above 0 in 5 seeds"),
        ("SFT 80 on chosen, off-policy pairs", "at the end -0.47, above 0 in 0 seeds"),
    ],
)
def test_the_line_says_how_many_seeds_end_above_0(explorer, run, said):
    explorer.run.value = run
    assert said in explorer.reading.value


def test_the_kls_of_a_stored_run_start_where_the_reference_stood(explorer):
    explorer.shown.value = KL
    row = explorer._record["table"][explorer.run.value]
    assert explorer.picture.data["chosen"].x[-1] == 120
    assert explorer.picture.data["chosen"].y[0] == pytest.approx(row["kl_w_ref"]["mean"], abs=1e-3)
    assert explorer.picture.data["rejected"].y[-1] == pytest.approx(row["kl_l_pi"]["mean"], abs=1e-3)


def test_a_live_run_can_be_stopped_and_goes_on_to_its_end(explorer):
    explorer.start.value = "SFT"
    seen = []

    def stop_once(change):
        seen.append(change["new"])
        if "step 5 of" in change["new"]:
            explorer.stop.click()

    explorer.reading.observe(stop_once, "value")
    explorer.go.click()
    explorer._thread.join()
    assert "Stopped" in explorer.reading.value
    assert len(explorer.picture.data["chosen"].y) == 5
    explorer.go.click()
    explorer._thread.join()
    assert "step 10 of 10" in explorer.reading.value
    assert len(explorer.picture.data["chosen"].y) == 10
    assert [record["step"] for record in explorer._log] == list(range(10))


def test_another_beta_forgets_the_run(explorer):
    explorer.go.click()
    explorer._thread.join()
    explorer.beta.value = 1.0
    assert explorer._log == []
    assert explorer._folder is None


def test_the_prediction_is_judged_by_the_run_that_it_asks_for_and_by_nothing_else(explorer):
    assert field_shown(explorer) is None
    explorer.run.value = "SFT 80 on chosen, minimal edit pairs, beta 0.1, lr 0.0003"
    assert field_shown(explorer) is None
    explorer.run.value = ASKED
    for shown in ("log pi", KL, "r_hat"):  # whatever is drawn of it
        explorer.shown.value = shown
        assert field_shown(explorer) == "chosen up, rejected down"
    explorer.live = True  # a live run is drawn
    assert field_shown(explorer) is None


def test_another_record_gives_another_field(explorer):
    """The outcome follows the curves that are shown: those of the run that is pressed hard fall both."""
    curves = explorer._record["mean_curves"]
    curves[ASKED] = curves[f"{ASKED}, beta 0.1, lr 0.0003"]
    explorer.run.value = ASKED
    assert field_shown(explorer) == "both down"
    curves[ASKED] = curves["base, minimal edit pairs"] | {"rejected_reward_sum": [0.1] * 120}
    explorer.run.value = "base, off-policy pairs"
    explorer.run.value = ASKED
    assert field_shown(explorer) == "both up"


def test_the_verdict_stands_above_the_picture_and_closes_the_choice(explorer):
    prediction = Prediction("where?", list(FIELDS.values()))
    prediction.judge_by(explorer, field_shown)
    prediction.choice.value = "both down"
    assert "Now try it" in prediction.verdict.value
    explorer.run.value = ASKED
    assert "It is: chosen up, rejected down" in prediction.verdict.value
