"""How credit sharpens: stored DPO runs by beta, pairs and steps, and one more trained live beside them."""

import ipywidgets as widgets
import plotly.graph_objects as go
from transformers import PreTrainedModel

from dpoq_lab.intervals import plus_minus
from dpoq_lab.lessons.l06_token_rewards.sweep_study import AXES, SHOWN, Point, measure_point, train_point
from dpoq_lab.lessons.study import stored_record
from dpoq_lab.order_notes.language import held_out_seed, order_pairs
from dpoq_lab.order_notes.recipe import encode
from dpoq_lab.views.controls import live_figure, on_change, row
from dpoq_lab.views.figures import BLUE, GREY, ORANGE, axes
from dpoq_lab.views.token_view import heat_map, legend

MEASURES = {
    "precision at 1 of -r": "precision_at_1",
    "AUROC of -r": "auroc",
    "pair accuracy": "accuracy",
    "KL(pi_ref||pi) a reply, nats": "kl_ref_pi_sum",
}
LIVE_SEED = 100  # no stored run has it


def sweep_figure() -> go.Figure:
    """Empty axes for the stored runs with intervals, the reference's surprisal, the chosen and live run."""
    figure = axes(340)
    figure.add_scatter(name="stored runs, 95% over seeds", line={"color": BLUE}, mode="lines+markers")
    figure.add_scatter(name="reference's surprisal", line={"color": GREY, "dash": "dash"}, mode="lines")
    figure.add_scatter(
        name="chosen", mode="markers", marker={"color": BLUE, "size": 16, "symbol": "circle-open"}
    )
    figure.add_scatter(name="live", mode="markers", marker={"color": ORANGE, "size": 14, "symbol": "star"})
    return figure


class CreditExplorer(widgets.VBox):
    """`axis` and `step` choose a stored run, `measure` what is drawn, `reply` whose tokens are shown.

    `train` trains the chosen run again on pairs of its own, for at most `live_steps` steps.
    """

    def __init__(self, sft: PreTrainedModel, live_steps: int = 40, held_out: int = 100) -> None:
        self._sft, self._live_steps, self._held_out = sft, live_steps, held_out
        self._record = stored_record("order-notes-sweep", "sweep")
        self._by_point = {Point(**row["point"]): row for row in self._record["points"]}
        self.axis = widgets.ToggleButtons(options=list(AXES), description="along")
        self.step = widgets.SelectionSlider(options=_options("beta"), description="value")
        self.measure = widgets.Dropdown(options=MEASURES, description="measure")
        self.reply = widgets.Dropdown(
            options=[(f"reply {i + 1}", i) for i in range(SHOWN)], description="tokens of"
        )
        self.train = widgets.Button(description="Train it live")
        self.figure = live_figure(sweep_figure())
        self.reading, self.view = widgets.HTML(), widgets.HTML()
        self._live: tuple[Point, dict] | None = None
        on_change([self.axis], self._along)
        on_change((self.step, self.measure, self.reply), self._render)
        self.train.on_click(lambda _: self._train())
        top = [row(self.axis, self.step), row(self.measure, self.reply, self.train)]
        super().__init__([*top, self.figure, self.reading, self.view])
        self._render()

    def _along(self) -> None:
        self.step.options = _options(self.axis.value)
        self._render()

    def _train(self) -> None:
        """The run chosen, on pairs of a seed that no stored run has seen, cut to a class's patience."""
        chosen = self.step.value
        point = Point(chosen.beta, chosen.pairs, min(chosen.steps, self._live_steps))
        self.reading.value = "Training..."
        policy = train_point(self._sft, point, LIVE_SEED)
        held_out = encode(order_pairs(self._held_out, held_out_seed(0)))
        self._live = point, measure_point(self._sft, policy, point, held_out)
        self._render()

    def _render(self) -> None:
        axis, chosen, name = self.axis.value, self.step.value, self.measure.value
        x = [str(getattr(point, axis)) for point in AXES[axis]]
        rows = [self._by_point[point]["table"][name] for point in AXES[axis]]
        y, half = [row["mean"] for row in rows], [row["half_95"] for row in rows]
        surprisal = self._record["surprisal"].get(name)
        with self.figure.batch_update():
            self.figure.update_xaxes(title=axis, type="category")
            self.figure.update_yaxes(title=self.measure.label)
            self.figure.data[0].update(x=x, y=y, error_y={"array": half})
            self.figure.data[1].update(x=x, y=[surprisal] * len(x))
            self.figure.data[2].update(x=[str(getattr(chosen, axis))], y=[y[AXES[axis].index(chosen)]])
            live = [self._live[1][name]] if self._live else [None]
            self.figure.data[3].update(x=[str(getattr(chosen, axis))], y=live)
        self._show_tokens(chosen, rows[AXES[axis].index(chosen)])

    def _show_tokens(self, chosen: Point, row: dict) -> None:
        text = f"beta {chosen.beta}, {chosen.pairs} pairs, {chosen.steps} steps: {self.measure.label} "
        text += f"{plus_minus(row)} over {self._record['seeds']} seeds."
        i, limit = self.reply.value, 2 * chosen.beta
        tokens, flaws = self._record["tokens"][i], self._record["flaws"][i]
        maps = heat_map(tokens, self._by_point[chosen]["rewards"][i], limit, "stored run", flaws)
        if self._live:
            point, found = self._live
            text += f" Live: beta {point.beta}, {point.pairs} pairs, {point.steps} steps: "
            text += f"{found[self.measure.value]:.2f} on {self._held_out} replies."
            maps += heat_map(tokens, found["rewards"][i], limit, "live run", flaws)
        self.reading.value = text
        self.view.value = legend(limit) + maps


def _options(axis: str) -> list[tuple[str, Point]]:
    return [(str(getattr(point, axis)), point) for point in AXES[axis]]
