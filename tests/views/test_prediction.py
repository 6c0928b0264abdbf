"""A prediction is judged by what an explorer shows after it was made."""

import ipywidgets as widgets

from dpoq_lab.views.controls import LiveFigure, Styled
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.prediction import Prediction


class Explorer(Styled):
    """Squares a number."""

    def __init__(self):
        self.x, self.picture = widgets.IntSlider(1, min=-3, max=3), LiveFigure()
        self.x.observe(lambda _: self.render(), "value")
        super().__init__([self.x, self.picture])
        self.render()

    def render(self):
        self.picture.draw(Figure("", 9, 9, "a square", f"{self.x.value**2}"))


def outcome(explorer):
    return {2: "4", -3: "9"}.get(explorer.x.value)


def asked():
    explorer, prediction = Explorer(), Prediction("What is <b>2</b> squared?", ["2", "4", "9"])
    prediction.judge_by(explorer, outcome)
    return explorer, prediction


def test_nothing_is_chosen_and_the_question_is_inert_text():
    _, prediction = asked()
    assert prediction.choice.value is None
    assert "&lt;b&gt;2&lt;/b&gt; squared" in prediction.children[1].value
    assert prediction.children[1].value.startswith('<div class="dpoq dpoq-question"><strong>Predict first.')
    assert prediction.verdict.value == '<div class="dpoq dpoq-verdict">You have not predicted yet.</div>'
    assert prediction.choice.options == ("2", "4", "9")


def test_the_verdict_stands_in_the_explorer_between_controls_and_picture():
    explorer, prediction = asked()
    at = explorer.children.index(prediction.verdict)
    assert explorer.children[at - 1 : at + 2] == (explorer.x, prediction.verdict, explorer.picture)


def test_a_prediction_waits_for_the_explorer_and_is_then_closed():
    explorer, prediction = asked()
    prediction.choice.value = "4"
    assert "You predicted: 4. Now try it." in prediction.verdict.value
    explorer.x.value = 2
    assert "You predicted: 4. You were right." in prediction.verdict.value
    assert prediction.choice.disabled
    explorer.x.value = -3
    assert "You were right." in prediction.verdict.value


def test_a_wrong_prediction_is_told_what_is_right():
    explorer, prediction = asked()
    prediction.choice.value = "2"
    explorer.x.value = 2
    assert "You predicted: 2. It is: 4." in prediction.verdict.value


def test_a_move_before_the_choice_settles_nothing():
    explorer, prediction = asked()
    explorer.x.value = -3
    assert not prediction.choice.disabled
    explorer.x.value = 1
    prediction.choice.value = "9"
    assert "Now try it." in prediction.verdict.value
