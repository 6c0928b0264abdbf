"""How credit sharpens: stored DPO runs by beta, pairs and steps, and one more trained live beside them."""

import ipywidgets as widgets
from traitlets import Bunch, validate
from transformers import PreTrainedModel

from dpoq_lab.intervals import plus_minus
from dpoq_lab.lessons.l06_token_rewards.sweep_study import AXES, SHOWN, Point, measure_point, train_point
from dpoq_lab.lessons.study import stored_record
from dpoq_lab.order_notes.language import held_out_seed, order_pairs
from dpoq_lab.order_notes.recipe import encode
from dpoq_lab.views.charts import GREY, MORE, Look, Series, axis, chart, named_axis
from dpoq_lab.views.controls import LiveFigure, Styled, on_change, row
from dpoq_lab.views.figures import Figure
from dpoq_lab.views.token_view import heat_map, legend

MEASURES = {
    "precision at 1 of -r_hat": "precision_at_1",
    "AUROC of -r_hat": "auroc",
    "pair accuracy": "accuracy",
    "KL(pi_ref||pi) a reply, nats": "kl_ref_pi_sum",
}
LIVE_SEED = 100  # no stored run has it


def sweep_figure(
    along: str,
    values: list[str],
    measure: str,
    rows: list[dict],
    surprisal: float | None,
    marks: dict,
    said: str,
) -> Figure:
    """A measure of the stored runs with a dot a seed, the reference's surprisal, and the runs in `marks`:
    name to (place, value)."""
    places, means = list(range(len(values))), [row["mean"] for row in rows]
    series = [
        Series(
            "stored runs",
            places,
            means,
            MORE,
            "both",
            half=[row["half_95"] for row in rows],
            seeds=[row["values"] for row in rows],
        ),
        Series("reference's surprisal", places, [surprisal] * len(places), GREY),
    ]
    looks = {"chosen": Look("ink", "", "ring"), "live": Look("less", "", "star")}
    series += [Series(name, [x], [y], looks[name], "dots") for name, (x, y) in marks.items()]
    known = [v for row in rows for v in row["values"]] + [y for _, y in marks.values()]
    return chart(
        series,
        named_axis(along, values),
        axis(measure, known, include=[] if surprisal is None else [surprisal]),
        f"{measure} of stored runs by {along}, a small dot a seed, whiskers 95% over seeds",
        said,
        height=340,
    )


class _Steps(widgets.SelectionSlider):
    """A slider that stands at its last option if they became fewer while a move of it was on its way."""

    @validate("index")
    def _validate_index(self, proposal: Bunch) -> int:
        return min(proposal.value, len(self.options) - 1)


class CreditExplorer(Styled):
    """`axis` and `step` choose a stored run, `measure` what is drawn, `reply` whose tokens are shown.

    `train` trains the chosen run again on pairs of its own, for at most `live_steps` steps.
    """

    def __init__(self, sft: PreTrainedModel, live_steps: int = 40, held_out: int = 100) -> None:
        self._sft, self._live_steps, self._held_out = sft, live_steps, held_out
        self._record = stored_record("order-notes-sweep", "sweep")
        self._by_point = {Point(**row["point"]): row for row in self._record["points"]}
        self.axis = widgets.ToggleButtons(options=list(AXES), description="along")
        self.step = _Steps(options=_options("beta"), description="value")
        self.measure = widgets.Dropdown(options=MEASURES, description="measure")
        self.reply = widgets.Dropdown(
            options=[(f"reply {i + 1}", i) for i in range(SHOWN)], description="tokens of"
        )
        self.train = widgets.Button(description="Train it live")
        self.picture, self.message, self.view = LiveFigure(), widgets.HTML(), widgets.HTML()
        self._live: tuple[Point, dict] | None = None
        on_change([self.axis], self._along)
        on_change((self.step, self.measure, self.reply), self._render)
        self.train.on_click(lambda _: self._train())
        top = [row(self.axis, self.step), row(self.measure, self.reply, self.train)]
        super().__init__([*top, self.message, self.picture, self.view])
        self._render()

    def compared(self) -> bool:
        """Is the measure known of the reference's surprisal too?"""
        return self.measure.value in self._record["surprisal"]

    def most_pairs_no_better(self) -> int | None:
        """The most pairs that do no better than the reference's surprisal; None: the fewest do better."""
        name = self.measure.value
        surprisal = self._record["surprisal"][name]
        runs = [(point.pairs, self._by_point[point]["table"][name]["mean"]) for point in AXES["pairs"]]
        return max((pairs for pairs, mean in runs if mean <= surprisal), default=None)

    def _along(self) -> None:
        self.step.options = _options(self.axis.value)
        self._render()

    def _train(self) -> None:
        """The run chosen, on pairs of a seed that no stored run has seen, cut to a class's patience."""
        chosen = self.step.value
        point = Point(chosen.beta, chosen.pairs, min(chosen.steps, self._live_steps))
        self.message.value = "Training..."
        policy = train_point(self._sft, point, LIVE_SEED)
        held_out = encode(order_pairs(self._held_out, held_out_seed(0)))
        self._live = point, measure_point(self._sft, policy, point, held_out)
        self._render()

    def _render(self) -> None:
        axis, chosen, name = self.axis.value, self.step.value, self.measure.value
        rows = [self._by_point[point]["table"][name] for point in AXES[axis]]
        place = AXES[axis].index(chosen)
        marks = {"chosen": (place, rows[place]["mean"])}
        if self._live:
            marks["live"] = (place, self._live[1][name])
        values = [str(getattr(point, axis)) for point in AXES[axis]]
        surprisal, said = self._record["surprisal"].get(name), self._said(chosen, rows[place])
        self.message.value = ""
        self.picture.draw(sweep_figure(axis, values, self.measure.label, rows, surprisal, marks, said))
        self._show_tokens(chosen)

    def _said(self, chosen: Point, row: dict) -> str:
        text = f"beta {chosen.beta}, {chosen.pairs} pairs, {chosen.steps} steps: {self.measure.label} "
        text += f"{plus_minus(row)} over {self._record['seeds']} seeds."
        if self._live:
            point, found = self._live
            text += f" Live: beta {point.beta}, {point.pairs} pairs, {point.steps} steps: "
            text += f"{found[self.measure.value]:.2f} on {self._held_out} replies."
        return text

    def _show_tokens(self, chosen: Point) -> None:
        i, limit = self.reply.value, 2 * chosen.beta
        tokens, flaws = self._record["tokens"][i], self._record["flaws"][i]
        maps = heat_map(tokens, self._by_point[chosen]["rewards"][i], limit, "stored run", flaws)
        if self._live:
            maps += heat_map(tokens, self._live[1]["rewards"][i], limit, "live run", flaws)
        self.view.value = legend(limit) + maps


def _options(axis: str) -> list[tuple[str, Point]]:
    return [(str(getattr(point, axis)), point) for point in AXES[axis]]


def pairs_needed(explorer: CreditExplorer) -> str | None:
    """With how many pairs the measure first falls to the reference's surprisal; None before the slider along
    the pairs stands at the fewest, or for a measure that surprisal does not have."""
    fewest = AXES["pairs"][0]
    if explorer.axis.value != "pairs" or explorer.step.value != fewest or not explorer.compared():
        return None
    found = explorer.most_pairs_no_better()
    return "never: 20 pairs are better" if found is None else f"{found} pairs"
