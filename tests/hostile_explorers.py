"""The lessons' explorers that show what comes from outside: typed, in pairs, in a tokenizer, in a run.

The others (01 to 05, 08, 10 to 12) show words and names of the course alone.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate

import ipywidgets as widgets
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab import models
from dpoq_lab.encoding import EncodedPair, Response, encode_pairs
from dpoq_lab.lessons.l00_start_here.explorer import RunViewer
from dpoq_lab.lessons.l06_token_rewards.explorer import BlameExplorer, OrderExplorer
from dpoq_lab.lessons.l07_search.explorer import POLICIES, SearchExplorer
from dpoq_lab.lessons.l09_proxy_tuning.explorer import ProxyExplorer
from dpoq_lab.lessons.l13_multi_model.explorer import PromptExplorer
from dpoq_lab.lessons.l14_your_own_model.explorer import RunExplorer
from dpoq_lab.lessons.l14_your_own_model.stored import stored_runs
from dpoq_lab.order_notes.language import FACTS
from dpoq_lab.order_notes.recipe import NAMES, Policies
from dpoq_lab.preferences import Pair, read_pairs
from dpoq_lab.rewards import ScoredPair
from dpoq_lab.views.theme import STYLE

EOS = "<eos>"
AT_ONCE = 6  # strings; with EOS and what is unknown no more tokens than an explorer shows


def explorers(strings: list[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each explorer by name: its HTML, and what must stand in it."""
    for name, shown in (
        ("00 stored run", stored_run),
        ("06 blame", blame),
        ("06 order notes", order_notes),
        ("07 search", search),
        ("09 proxy", proxy),
        ("13 prompt", prompt),
        ("14 runs", own_runs),
    ):
        told = [s[:40] for s in strings] if shown is prompt else strings
        yield name, [html for some in groups(strings) for html in shown(some)], told


def groups(strings: list[str]) -> Iterator[list[str]]:
    """A few strings at a time, at the end with some of those before."""
    last = len(strings) - AT_ONCE
    return (strings[min(k, last) :][:AT_ONCE] for k in range(0, len(strings), AT_ONCE))


def htmls(widget: widgets.Widget) -> list[str]:
    """The HTML in a widget and its children, but for the style that the page has already."""
    own = [widget.value] if isinstance(widget, widgets.HTML) and widget.value != STYLE else []
    return own + [html for child in getattr(widget, "children", ()) for html in htmls(child)]


def stored_run(strings: list[str]) -> Iterator[str]:
    """Prompts, roles and tokens of a stored run."""
    n = len(strings)
    sums = {"logp_policy": [-1.0] * n, "logp_reference": [-2.0] * n}
    records = [{"role": s, "tokens": strings, **sums} for s in strings for _ in range(2)]
    viewer = RunViewer(records, strings, 0.1)
    for viewer.pair.value in range(n):
        yield from htmls(viewer)


def blame(strings: list[str]) -> Iterator[str]:
    """What is typed in place of a reply, and prompts."""
    tokenizer = models.tiny_tokenizer()
    model = models.build(tokenizer, 32, 1)
    rows = [{"prompt": s, "chosen": "Yes, it is.", "rejected": "No."} for s in strings]
    shown = BlameExplorer(model, model, tokenizer, encode_pairs(tokenizer, read_pairs(rows).pairs, 512).pairs)
    for k, s in enumerate(strings):
        shown.pair.value = k
        shown.edit["rejected"].value = s
        shown.pickers["rejected"].selected = 1
        yield from htmls(shown)


def spelling(strings: list[str]) -> tuple[PreTrainedTokenizerFast, PreTrainedModel, list[EncodedPair]]:
    """A tokenizer whose tokens are the strings, a small model, a pair a string, which fills its order."""
    words = WordLevel({EOS: 0, "?": 1, **{s: k + 2 for k, s in enumerate(strings)}}, unk_token="?")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(words), eos_token=EOS, unk_token="?")
    told = [" ; ".join(f"{fact} : {s}" for fact in FACTS) for s in strings]
    ends = list(accumulate(map(len, strings)))
    spans = list(zip([0, *ends], ends, strict=False))
    reply = Response([1], list(range(2, len(strings) + 2)), spans, "".join(strings))
    pairs = [EncodedPair(reply, reply, Pair(order, strings[0], strings[-1])) for order in told]
    return tokenizer, models.build(tokenizer, 32, 1), pairs


def order_notes(strings: list[str]) -> Iterator[str]:
    """Prompts and typed replies of lesson 06's second explorer, with an error asked for that is not there."""
    tokenizer, model, pairs = spelling(strings)
    shown = OrderExplorer(Policies(dict.fromkeys(NAMES, model), {}, tokenizer), pairs)
    for k, s in enumerate(strings):
        shown.pair.value = k
        shown.edit["chosen"].value = f" {s}"
        shown.plant.click()
        yield from htmls(shown)


def search(strings: list[str]) -> Iterator[str]:
    """Words that two searches find, their hovers, the best replies, prompts."""
    tokenizer, model, pairs = spelling(strings)
    shown = SearchExplorer(Policies(dict.fromkeys(POLICIES, model), {}, tokenizer), pairs)
    shown.right.width.value = 10
    for shown.pair.value in range(len(pairs)):
        for shown.step.value in (1, 2):
            yield from htmls(shown)


def proxy(strings: list[str]) -> Iterator[str]:
    """The words that may come next, and what was told so far."""
    tokenizer, model, pairs = spelling(strings)
    shown = ProxyExplorer(model, dict.fromkeys(strings, model), model, tokenizer, pairs, (0, strings[0]))
    for shown.proxy.value in strings:
        shown.told.value = shown.proxy.value
        yield from htmls(shown)


def prompt(strings: list[str]) -> Iterator[str]:
    """A typed prompt that is none of the world's; its start is shown."""
    shown = PromptExplorer()
    for shown.prompt.value in strings:
        yield from htmls(shown)


def own_runs(strings: list[str]) -> Iterator[str]:
    """Prompts and tokens of a practitioner's run, and its letter."""
    run = stored_runs()["A"]
    for s in strings:
        rows = [replace(row, where=s, prompt=s, sides=spelt(row.sides, s)) for row in run.rows[:2]]
        shown = RunExplorer({s: replace(run, letter="A", rows=rows)})
        yield from htmls(shown)


def spelt(sides: ScoredPair, text: str) -> ScoredPair:
    """Both sides of a scored pair, every token of them `text`."""
    chosen, rejected = (replace(side, response=written(side.response, text)) for side in sides)
    return chosen, rejected


def written(response: Response, text: str) -> Response:
    """A response whose every token is `text`."""
    n, length = len(response.ids), len(text)
    spans = [(k * length, (k + 1) * length) for k in range(n)]
    return replace(response, text=text * n, offsets=spans, eos_id=None)
