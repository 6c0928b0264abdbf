"""Two beams side by side on order notes: step through each tree, see what was kept, pruned and finished."""

from html import escape

import ipywidgets as widgets
import plotly.graph_objects as go
import torch

from dpoq_lab.encoding import EncodedPair
from dpoq_lab.explorers import controls_row, pair_dropdown
from dpoq_lab.figures import CONFIG
from dpoq_lab.language_study import BETA, Study
from dpoq_lab.languages import true_score
from dpoq_lab.scorers import ModelScorer, Scorer, Tokens
from dpoq_lab.search import Search, SearchTree, beam_search
from dpoq_lab.search_figures import draw_search, search_figure
from dpoq_lab.token_view import signed, visible

POLICIES = ("base", "SFT", "DPO from SFT", "DPO from base")
MAX_TOKENS = 60


def replay(tree: SearchTree, scorer: Scorer, prompt: Tokens) -> list[float]:
    """The sum of log pi of every node's prefix under another policy, in nats."""
    state, log_pi = scorer.start(prompt)
    rows, sums = {-1: 0}, [0.0] * len(tree.nodes)
    parents = {node.parent for node in tree.nodes}
    for step in range(1, max(node.step for node in tree.nodes) + 1):
        nodes = [i for i, node in enumerate(tree.nodes) if node.step == step]
        for i in nodes:
            before = tree.nodes[i].parent
            sums[i] = (sums[before] if before >= 0 else 0.0) + float(
                log_pi[rows[before], tree.nodes[i].token]
            )
        going = [i for i in nodes if i in parents]
        if going:
            came = torch.tensor([rows[tree.nodes[i].parent] for i in going])
            state, log_pi = scorer.step(state, came, torch.tensor([tree.nodes[i].token for i in going]))
            rows = {i: k for k, i in enumerate(going)}
    return sums


class BeamPanel(widgets.VBox):
    """One search: `policy`, `width`, `penalty`; the tree up to a step, and the best reply of all."""

    def __init__(self, study: Study, policy: str) -> None:
        self._study, self._step = study, 1
        self._pair: EncodedPair | None = None
        self.policy = widgets.Dropdown(options=POLICIES, value=policy, description="policy")
        self.width = widgets.IntSlider(3, min=1, max=10, description="width", continuous_update=False)
        self.penalty = widgets.FloatSlider(
            1.0, min=0.0, max=2.0, step=0.5, description="penalty", continuous_update=False
        )
        self.figure = go.FigureWidget(search_figure())
        self.figure._config = CONFIG
        self.reading = widgets.HTML()
        for control in (self.policy, self.width, self.penalty):
            control.observe(lambda _: self.search(), "value")
        controls = [self.policy, self.width, self.penalty]
        super().__init__([*controls, self.figure, self.reading], layout={"width": "50%"})

    def ask(self, pair: EncodedPair) -> None:
        """Search for a reply to this pair's prompt."""
        self._pair = pair
        self.search()

    def search(self) -> None:
        """Search again and draw."""
        prompt, eos = tuple(self._pair.chosen.prompt_ids), self._study.tokenizer.eos_token_id
        name = self.policy.value
        reference = self._study.references.get(name, "base")
        scorer, other = (ModelScorer(self._study.policies[n], eos) for n in (name, reference))
        self._found: Search = beam_search(
            scorer, prompt, self.width.value, MAX_TOKENS, length_penalty=self.penalty.value
        )
        tree = self._found.tree
        r = [
            BETA * (node.sum_log_pi - log_ref)
            for node, log_ref in zip(tree.nodes, replay(tree, other, prompt), strict=True)
        ]
        texts = [self._text(tree.tokens(i)) for i in range(len(tree.nodes))]
        self._words = [escape(visible(self._study.tokenizer.decode([n.token]))) for n in tree.nodes]
        self._hovers = [
            f"{escape(text[-60:])}<br>log pi {signed(node.sum_log_pi)}, implicit reward {signed(reward)}, "
            f"true score so far {signed(true_score(self._pair.pair.prompt, text))}"
            for node, reward, text in zip(tree.nodes, r, texts, strict=True)
        ]
        self.show(self._step)

    def _text(self, tokens: Tokens) -> str:
        return self._study.tokenizer.decode(tokens, skip_special_tokens=True)

    @property
    def steps(self) -> int:
        """How many steps the search took."""
        return max(node.step for node in self._found.tree.nodes)

    def show(self, step: int) -> None:
        """Draw the tree up to `step`."""
        self._step = step
        draw_search(self.figure, self._found.tree, self._words, self._hovers, min(step, self.steps))
        best = self._found.hypotheses[0]
        text = self._text(best.tokens)
        score = true_score(self._pair.pair.prompt, text)
        state = "ended" if best.finished else "cut, it never ended"
        self.reading.value = (
            f"<b>{state}</b> after {len(best.tokens)} tokens, log pi {signed(best.log_pi)}, "
            f"true score <b>{signed(score)}</b> of +6<br>{escape(text)}"
        )


class SearchExplorer(widgets.VBox):
    """`pair` chooses the prompt, `step` lets both trees grow; `left` and `right` are the two searches."""

    def __init__(self, study: Study, pairs: list[EncodedPair]) -> None:
        self._pairs = pairs
        self.pair = pair_dropdown(pairs)
        self.left = BeamPanel(study, "DPO from SFT")
        self.right = BeamPanel(study, "base")
        self.step = widgets.IntSlider(6, min=1, max=MAX_TOKENS, description="step")
        self.prompt = widgets.HTML()
        self.pair.observe(lambda change: self._show(self._pairs[change["new"]]), "value")
        self.step.observe(lambda change: self._grow(change["new"]), "value")
        both = widgets.HBox([self.left, self.right])
        super().__init__([controls_row([self.pair, self.step]), self.prompt, both])
        self._show(pairs[0])
        self._grow(self.step.value)

    def _show(self, pair: EncodedPair) -> None:
        self.prompt.value = f"<b>Prompt</b> {escape(pair.pair.prompt)}"
        for panel in (self.left, self.right):
            panel.ask(pair)

    def _grow(self, step: int) -> None:
        for panel in (self.left, self.right):
            panel.show(step)
