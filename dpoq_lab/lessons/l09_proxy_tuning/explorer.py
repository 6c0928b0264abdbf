"""Move lambda and see the next word: base, what the proxy adds, and the mixture of equation (14)."""

import ipywidgets as widgets
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab.encoding import EncodedPair
from dpoq_lab.lessons.l09_proxy_tuning.figures import next_word_figure
from dpoq_lab.search.scorers import ModelScorer
from dpoq_lab.theory.mixtures import mixed_logits
from dpoq_lab.views.controls import LiveFigure, Styled, on_change, pair_dropdown, row, slider
from dpoq_lab.views.token_view import visible

SHOWN = 8  # words
LOW, HIGH = 0.38, 0.57  # what the right word has in the base, and at best with the picture's proxy
OUTCOMES = (
    f"falls below {LOW}, as in the picture",
    f"lies between {LOW} and {HIGH}",
    f"rises above {HIGH}",
)


class ProxyExplorer(Styled):
    """`pair` chooses a prompt, `told` is the reply so far, `lam` steers, `proxy` is the small tuned model.

    It opens at `opening`, a pair and a reply so far. `log_pis` holds log pi of the next word, (n_actions,),
    of base, proxy and reference, `mixture` the probabilities of equation (14), (n_actions,).
    """

    def __init__(
        self,
        base: PreTrainedModel,
        proxies: dict[str, PreTrainedModel],
        reference: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        pairs: list[EncodedPair],
        opening: tuple[int, str] = (0, "hello ,"),
    ) -> None:
        eos = tokenizer.eos_token_id
        self._tokenizer, self._pairs = tokenizer, pairs
        self._base, self._reference = ModelScorer(base, eos), ModelScorer(reference, eos)
        self._proxies = {name: ModelScorer(model, eos) for name, model in proxies.items()}
        self.opening, self.pair = opening, pair_dropdown(pairs)
        self.pair.value = opening[0]
        self.proxy = widgets.Dropdown(options=list(proxies), description="proxy")
        self.lam = slider("lambda", 1.0, 0.0, 3.0, 0.1)
        self.told = widgets.Textarea(
            opening[1], description="so far", rows=2, continuous_update=False, layout={"width": "98%"}
        )
        self.picture = LiveFigure()
        on_change((self.pair, self.proxy, self.told), self._read)
        on_change([self.lam], self._render)
        top = [row(self.pair), row(self.proxy, self.lam), self.told]
        super().__init__([*top, self.picture])
        self._read()

    def _read(self) -> None:
        """The three models read prompt and reply; moving lambda afterwards calls none."""
        ids = tuple(self._pairs[self.pair.value].chosen.prompt_ids)
        ids += tuple(self._tokenizer(self.told.value)["input_ids"])
        scorers = (self._base, self._proxies[self.proxy.value], self._reference)
        self.log_pis = [scorer.start(ids)[1][0] for scorer in scorers]
        self._render()

    def _render(self) -> None:
        log_base, log_proxy, log_ref = self.log_pis
        base, delta = log_base.exp(), log_proxy - log_ref
        mixture = self.mixture = mixed_logits(*self.log_pis, self.lam.value).softmax(-1)
        top = torch.maximum(base, mixture).topk(SHOWN).indices
        words = [self._word(token) for token in top.tolist()]
        b, m = int(base.argmax()), int(mixture.argmax())
        said = (
            f"lambda {self.lam.value:.1f}: the base would say \u201c{self._word(b)}\u201d ({base[b]:.2f}), "
            f"the mixture \u201c{self._word(m)}\u201d ({mixture[m]:.2f})."
        )
        shown = (values[top].tolist() for values in (base, mixture, delta))
        self.picture.draw(next_word_figure(words, *shown, said))

    def _word(self, token: int) -> str:
        return visible(self._tokenizer.decode([token]))

    def probability(self, word: str) -> float:
        """What the mixture gives to a word of the vocabulary."""
        return float(self.mixture[self._tokenizer.convert_tokens_to_ids(word)])


def right_word(explorer: ProxyExplorer) -> str | None:
    """What "35" does, of `OUTCOMES`, at lambda 3 with the proxy DPO from SFT where it opened; else None."""
    at_opening = (explorer.pair.value, explorer.told.value) == explorer.opening
    if not at_opening or explorer.proxy.value != "DPO from SFT" or explorer.lam.value < 3 - 1e-6:
        return None
    p = explorer.probability("35")
    return OUTCOMES[0 if p < LOW else 1 if p <= HIGH else 2]
