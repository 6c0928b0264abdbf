"""Lesson 08's explorer: stored curves by reference and pairs, and a live run that can stop and go on."""

import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import ipywidgets as widgets
import numpy as np

from dpoq_lab.lessons.l08_reference_policy.pairs import KINDS, draw_pairs
from dpoq_lab.lessons.l08_reference_policy.picture import field_of
from dpoq_lab.lessons.study import stored_record
from dpoq_lab.objectives import DPO
from dpoq_lab.order_notes.recipe import STAGES, Policies, encode
from dpoq_lab.training import trained_copy
from dpoq_lab.views.controls import LiveFigure, Styled, on_change, row
from dpoq_lab.views.curves import pair_curves

LIVE_SEED, LIVE_PAIRS = 200, 500
SHOWN = {"r_hat": "reward_sum", "log pi": "logp_sum"}
KL = "KL(mu, pi)"  # stored runs only: a live run has no held-out replies
ASKED = "SFT 80 on chosen, minimal edit pairs"  # the run that the lesson's prediction is about


class _Stopped(Exception):
    """Raised inside a live run to end it; what is done is in its checkpoint."""


class ReferenceExplorer(Styled):
    """`run` chooses stored curves; `start`, `pairs`, `beta`, `lr` a live run that `go` and `stop` drive.

    `curves` are those that `picture` shows, of a live run if `live`. A live run trains in a thread and keeps
    a checkpoint every 5 steps; after a change it begins anew.
    """

    def __init__(self, policies: Policies, steps: int = 60) -> None:
        self._policies, self._steps = policies, steps
        self._record = stored_record("order-notes-reference", "reference")
        self._log: list[dict] = []
        self._folder: tempfile.TemporaryDirectory | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.run = widgets.Dropdown(options=list(self._record["mean_curves"]), description="stored")
        self.run.layout.width = "32em"
        self.shown = widgets.ToggleButtons(options=[*SHOWN, KL], description="show")
        self.start = widgets.Dropdown(options=["base", "SFT"], description="reference")
        self.pairs = widgets.Dropdown(options=KINDS, description="pairs")
        self.beta = widgets.FloatLogSlider(0.5, min=-1, max=0.5, step=0.1, description="beta")
        self.lr = widgets.FloatLogSlider(1e-4, min=-5, max=-3, step=0.25, description="lr")
        self.go = widgets.Button(description="Train")
        self.stop = widgets.Button(description="Stop")
        self.picture, self.reading = LiveFigure(), widgets.HTML()
        self._connect()
        live = row(self.start, self.pairs, self.beta, self.lr, self.go, self.stop)
        super().__init__([row(self.run, self.shown), live, self.reading, self.picture])
        self._show_stored()

    def _connect(self) -> None:
        on_change([self.run], self._show_stored)
        on_change([self.shown], lambda: self._draw(self.curves))
        on_change((self.start, self.pairs, self.beta, self.lr), self._forget)
        self.go.on_click(lambda _: self._train())
        self.stop.on_click(lambda _: self._stop.set())

    def _show_stored(self) -> None:
        name, self.live = self.run.value, False
        row = self._record["table"][name]
        self._draw(self._record["mean_curves"][name])
        above = sum(value > 0 for value in row["chosen_reward"]["values"])
        self.reading.value = (
            f"Stored, mean of {self._record['seeds']} seeds. Before training KL(mu_w, pi_ref) "
            f"{row['kl_w_ref']['mean']:.2f} and KL(mu_l, pi_ref) {row['kl_l_ref']['mean']:.2f} nats a reply; "
            f"held-out r_hat of chosen at the end {row['chosen_reward']['mean']:+.2f}, above 0 in {above} "
            f"seeds; true score {row['score_before']['mean']:.1f} before, "
            f"{row['score_after']['mean']:.1f} after."
        )

    def _draw(self, curves: dict[str, list[float]]) -> None:
        self.curves = curves
        if self.shown.value == KL:
            kl_w, kl_l = (curves.get(f"kl_{side}_pi", []) for side in "wl")
            steps = curves.get("kl_steps", [])
            figure = pair_curves("KL(mu, pi), nats", kl_w, kl_l, steps, "chosen less rejected")
        else:
            kind = SHOWN[self.shown.value]
            curve = (curves[f"{role}_{kind}"] for role in ("chosen", "rejected"))
            figure = pair_curves(f"{self.shown.value}, nats a reply", *curve)
        self.picture.draw(figure)

    def wait(self) -> None:
        """Return when the live run has ended."""
        if self._thread:
            self._thread.join()

    def _forget(self) -> None:
        """Another live run: stop the old one and drop its checkpoints."""
        self._stop.set()
        self.wait()
        self._drop()
        self._log = []

    def _drop(self) -> None:
        """Remove the checkpoints of a live run."""
        if self._folder:
            self._folder.cleanup()
        self._folder = None

    def _train(self) -> None:
        """Start the live run, or go on with the one that was stopped."""
        if self._thread and self._thread.is_alive():
            return
        self._folder = self._folder or tempfile.TemporaryDirectory()
        self._stop.clear()
        self._thread = threading.Thread(target=self._work, args=(Path(self._folder.name),), daemon=True)
        self._thread.start()

    def _work(self, out: Path) -> None:
        """The thread: the same `train` as everywhere, resumed where it was stopped."""
        self.reading.value = "Live: preparing the pairs."
        reference = self._policies.models[self.start.value]
        pairs = encode(draw_pairs(self.pairs.value, LIVE_PAIRS, LIVE_SEED, reference))
        objective, pad_id = DPO(self.beta.value), self._policies.tokenizer.pad_token_id
        changes = {"lr": self.lr.value, "steps": self._steps, "checkpoint_every": 5}
        settings = replace(STAGES["dpo"], objective=objective, **changes)
        live = {"out": out, "resume": True, "on_log": self._on_log, "progress": False}
        try:
            trained_copy(reference, pairs, pad_id, settings, **live)
            self._drop()
        except _Stopped:
            self.reading.value += " Stopped; Train goes on from the last checkpoint."

    def _on_log(self, record: dict) -> None:
        self._log = [*self._log[: record["step"]], record]
        if record["step"] % 5 == 4 or record["step"] == self._steps - 1:
            self.live = True
            names = [f"{role}_{kind}" for role in ("chosen", "rejected") for kind in SHOWN.values()]
            self._draw({name: [row[name] for row in self._log] for name in names})
            self.reading.value = (
                f"Live: step {record['step'] + 1} of {self._steps}, r_hat of chosen "
                f"{record['chosen_reward_sum']:+.2f}, of rejected {record['rejected_reward_sum']:+.2f}."
            )
        if self._stop.is_set():
            raise _Stopped


def field_shown(explorer: ReferenceExplorer) -> str | None:
    """The field of `picture.FIELDS` in which the run `ASKED` ends; None while another is shown.

    From the mean of its last ten steps' r_hat of chosen and rejected replies, which have the sign of the
    changes of log pi.
    """
    if explorer.run.value != ASKED or explorer.live:
        return None
    ends = (np.mean(explorer.curves[f"{role}_reward_sum"][-10:]) for role in ("chosen", "rejected"))
    return field_of(*ends)
