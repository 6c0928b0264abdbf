"""What several tests share: scores made by hand, a KL by state, tables read, controls moved through."""

import json
import re
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from scipy.special import rel_entr

from dpoq_lab.encoding import Response
from dpoq_lab.rewards import TokenScores
from dpoq_lab.runs.summary import Tally
from dpoq_lab.runs.token_file import ScoredRow


def numbers(html):
    """The rows of the table `terms`, as floats, without their names."""
    rows = re.findall(r"<tr><td[^>]*>.*?</td>(.*?)</tr>", html)
    text = [re.findall(r"<td>(.*?)</td>", row) for row in rows]
    return np.array([[float(x.replace("\u2212", "-")) for x in row] for row in text])


SVG = "{http://www.w3.org/2000/svg}"


def elements(figure, kind, name=""):
    """The SVG elements of a figure of this kind, and of this class if it is named."""
    root = ElementTree.fromstring(figure.svg())
    return [e for e in root.iter(SVG + kind) if not name or name in e.get("class", "").split()]


def texts(figure):
    """What is written on a figure, in the order of drawing."""
    return ["".join(e.itertext()).replace("\u200b", "") for e in elements(figure, "text")]


def sweep(explorer, sliders, choices):
    """Seconds of each redraw while every slider runs through its range and every choice is made."""
    times = []
    moves = [(w, round(float(v), 1)) for w in sliders for v in np.linspace(w.min, w.max, 30)]
    for widget, value in [*moves, *((choices, value) for _, value in choices.options)]:
        start = time.thread_time()
        widget.value = value
        times.append(time.thread_time() - start)
    return times


def one_character_tokens(ids, logp, logp_ref, flaws=()):
    """A response of one-character tokens with given log-probabilities."""
    offsets = [(i, i + 1) for i in range(len(ids))]
    zeros, none = [0.0] * len(ids), [[] for _ in ids]
    response = Response([0], ids, offsets, "x" * len(ids), flaws)
    return TokenScores(response, logp, logp_ref, zeros, zeros, none, none, zeros)


def summarise(pairs, beta):
    """The numbers of `summary.json` of scored pairs."""
    tally = Tally(beta)
    for number, sides in enumerate(pairs):
        tally.add(ScoredRow(f"pairs.jsonl:{number + 1}", "", sides))
    return tally.summary()


def state_kl(p, q):
    """KL(p(.|s) || q(.|s)) in each state, levels (n_t,), in nats."""
    return [rel_entr(p_t, q_t).sum(axis=1) for p_t, q_t in zip(p, q, strict=True)]


def redraws(choice, controls):
    """Seconds of each redraw while every control runs through its positions at every option of `choice`."""
    times = []
    for option in choice.options:
        choice.value = option
        for control in controls:
            for value in positions(control):
                start = time.thread_time()
                control.value = value
                times.append(time.thread_time() - start)
    return times


def positions(control):
    """The options of a choice, or twelve values of a slider."""
    return getattr(control, "options", None) or np.linspace(control.min, control.max, 12).tolist()


def rows_of(record: Path) -> dict[str, set[str]]:
    """The names of the rows of each table that a study has written."""
    tables = json.loads(record.read_text(encoding="utf-8"))["tables"]
    return {table: set(rows) for table, rows in tables.items()}


def drawing(svg):
    """Each element of SVG on a line: its name, the values of its attributes, and what it says."""
    root = ElementTree.fromstring(svg if svg.startswith("<svg") else f"<svg>{svg}</svg>")
    lines = []
    for e in list(root.iter())[1:]:
        said = [f"| {text}" for text in (e.text, e.tail) if text and text.strip()]
        lines.append(" ".join([e.tag.removeprefix(SVG), *e.attrib.values(), *said]).rstrip())
    return lines
