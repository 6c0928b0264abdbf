"""Two beams side by side on order notes: step through each tree, see what was kept, pruned and finished."""

from html import escape

import ipywidgets as widgets
import torch
from transformers import PreTrainedModel

from dpoq_lab.encoding import EncodedPair
from dpoq_lab.lessons.l07_search.figures import parting_figure, search_figure
from dpoq_lab.order_notes.language import true_score
from dpoq_lab.order_notes.recipe import BETA, Policies
from dpoq_lab.search.beams import Search, SearchTree, beam_search
from dpoq_lab.search.scorers import ModelScorer
from dpoq_lab.shared_prompt import attention_bias
from dpoq_lab.theory.token_mdp import Tokens
from dpoq_lab.views.controls import COLUMN, LiveFigure, Styled, on_change, pair_dropdown, row
from dpoq_lab.views.theme import box
from dpoq_lab.views.token_view import signed, visible

POLICIES = ("base", "SFT", "DPO from SFT", "DPO from base")
MAX_TOKENS = 60


@torch.inference_mode()
def replay(tree: SearchTree, model: PreTrainedModel, prompt: Tokens) -> list[float]:
    """The sum of log pi of every node's prefix under another model, in nats.

    The whole tree is read in one pass: a token sees the prompt and its own ancestors alone.
    """
    P, nodes = len(prompt), tree.nodes
    before = [P + node.parent if node.parent >= 0 else P - 1 for node in nodes]
    sees = torch.eye(P + len(nodes), dtype=torch.bool)
    sees[:P, :P] = torch.ones(P, P).tril()
    for place, parent in enumerate(before, start=P):
        sees[place] |= sees[parent]
    ids = torch.tensor([[*prompt, *(node.token for node in nodes)]])
    places = torch.tensor([[*range(P), *(P + node.step - 1 for node in nodes)]])
    there = {"input_ids": ids, "position_ids": places, "attention_mask": attention_bias(sees[None])}
    read = model(**{name: tensor.to(model.device) for name, tensor in there.items()}, use_cache=False)
    log_pi = read.logits[0].float().log_softmax(-1)  # (P + nodes, n_actions)
    sums: list[float] = []
    for node, log_pis in zip(nodes, log_pi[before].tolist(), strict=True):
        sums.append((sums[node.parent] if node.parent >= 0 else 0.0) + log_pis[node.token])
    return sums


def leaders(tree: SearchTree, penalty: float) -> list[int]:
    """By step, the node with the largest sum log pi / length**penalty, of the replies that have ended and the
    prefixes of that step that are kept."""
    found, ended = [], []
    for step in range(1, max(node.step for node in tree.nodes) + 1):
        now = [i for i, node in enumerate(tree.nodes) if node.step == step]
        ended += [i for i in now if tree.nodes[i].status == "finished"]
        held = ended + [i for i in now if tree.nodes[i].status == "kept"]
        found.append(max(held, key=lambda i: tree.nodes[i].sum_log_pi / tree.nodes[i].step ** penalty))
    return found


class BeamPanel(widgets.VBox):
    """One search: `policy`, `width`, `penalty`; the tree up to a step, and the best reply of all.

    `found` is what the search returned, `truth` by step the true score so far of what leads.
    """

    def __init__(self, policies: Policies, policy: str) -> None:
        self._policies, self._step = policies, 1
        self._pair: EncodedPair | None = None
        self.policy = widgets.Dropdown(options=POLICIES, value=policy, description="policy")
        self.width = widgets.IntSlider(3, min=1, max=10, description="width", continuous_update=False)
        self.penalty = widgets.FloatSlider(
            1.0, min=0.0, max=2.0, step=0.5, description="penalty", continuous_update=False
        )
        self.picture, self.reading = LiveFigure(), widgets.HTML()
        on_change((self.policy, self.width, self.penalty), self.search)
        controls = [self.policy, self.width, self.penalty]
        super().__init__([*controls, self.reading, self.picture], layout=COLUMN)

    def ask(self, pair: EncodedPair) -> None:
        """Search for a reply to this pair's prompt."""
        self._pair = pair
        self.search()

    def search(self) -> None:
        """Search again and draw."""
        prompt, eos = tuple(self._pair.chosen.prompt_ids), self._policies.tokenizer.eos_token_id
        name = self.policy.value
        reference = self._policies.references.get(name, "base")
        policy, other = (self._policies.models[n] for n in (name, reference))
        scorer = ModelScorer(policy, eos)
        self.found: Search = beam_search(
            scorer, prompt, self.width.value, MAX_TOKENS, length_penalty=self.penalty.value
        )
        tree = self.found.tree
        r_hat = [
            BETA * (node.sum_log_pi - log_ref)
            for node, log_ref in zip(tree.nodes, replay(tree, other, prompt), strict=True)
        ]
        texts = [self._text(tree.tokens(i)) for i in range(len(tree.nodes))]
        truths = [true_score(self._pair.pair.prompt, text) for text in texts]
        self.truth = [truths[i] for i in leaders(tree, self.penalty.value)]
        self._words = [visible(self._policies.tokenizer.decode([n.token])) for n in tree.nodes]
        self._hovers = [
            f"{text[-60:]}\nlog pi {signed(node.sum_log_pi)}, sum of r_hat {signed(total)}, "
            f"true score so far {signed(truth)}"
            for node, total, truth, text in zip(tree.nodes, r_hat, truths, texts, strict=True)
        ]
        self.show(self._step)

    def _text(self, tokens: Tokens) -> str:
        return self._policies.tokenizer.decode(tokens, skip_special_tokens=True)

    @property
    def steps(self) -> int:
        """How many steps the search took."""
        return max(node.step for node in self.found.tree.nodes)

    def worth(self) -> int:
        """The true score of the best reply."""
        return true_score(self._pair.pair.prompt, self._text(self.found.hypotheses[0].tokens))

    def show(self, step: int) -> None:
        """Draw the tree up to `step`."""
        self._step = step
        best = self.found.hypotheses[0]
        text = self._text(best.tokens)
        worth = self.worth()
        state = "ended" if best.finished else "cut, it never ended"
        self.reading.value = box(
            f"<b>{state}</b> after {len(best.tokens)} tokens, log pi {signed(best.log_pi)}, "
            f"true score <b>{signed(worth)}</b> of +6<br>{escape(text)}"
        )
        at = min(step, self.steps)
        said = f"Step {at} of {self.steps}: the tree of {self.policy.value}, width {self.width.value}."
        self.picture.draw(search_figure(self.found.tree, self._words, self._hovers, at, said))


class SearchExplorer(Styled):
    """`pair` chooses the prompt, `step` lets both trees grow; `left` and `right` are the two searches.

    `picture` is the true score so far of what leads in each, by step.
    """

    def __init__(self, policies: Policies, pairs: list[EncodedPair]) -> None:
        self._pairs = pairs
        self.pair = pair_dropdown(pairs)
        self.left = BeamPanel(policies, "DPO from SFT")
        self.right = BeamPanel(policies, "base")
        self.step = widgets.IntSlider(6, min=1, max=MAX_TOKENS, description="step")
        self.prompt, self.picture = widgets.HTML(), LiveFigure()
        on_change([self.pair], self._show)
        on_change([self.step], self._grow)
        for panel in (self.left, self.right):
            on_change([panel.policy, panel.width, panel.penalty], self._draw)
        both = row(self.left, self.right)
        super().__init__([row(self.pair, self.step), self.prompt, self.picture, both])
        self._show()
        self._grow()

    def _show(self) -> None:
        pair = self._pairs[self.pair.value]
        self.prompt.value = f"<b>Prompt</b> {escape(pair.pair.prompt)}"
        for panel in (self.left, self.right):
            panel.ask(pair)
        self._draw()

    def _grow(self) -> None:
        for panel in (self.left, self.right):
            panel.show(self.step.value)
        self._draw()

    def _draw(self) -> None:
        truths = {"left": self.left.truth, "right": self.right.truth}
        self.picture.draw(parting_figure(truths, self.step.value, MAX_TOKENS))


def wide_beam(explorer: SearchExplorer) -> str | None:
    """What the right search finds at width 10 and penalty 0, beside the left's reply; None at others."""
    left, right = explorer.left, explorer.right
    if right.width.value != 10 or right.penalty.value != 0:
        return None
    lengths = [len(panel.found.hypotheses[0].tokens) for panel in (left, right)]
    if lengths[1] < lengths[0] / 2:
        return "a reply of less than half the length"
    if right.worth() == left.worth():
        return "a reply as good"
    return "a better reply" if right.worth() > left.worth() else "a worse one of about the same length"
