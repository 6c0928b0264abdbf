"""Hostile strings in every view, opened in a real browser: nothing runs, nothing is fetched, text stays text.

python tests/hostile_views.py            with Debian's chromium; exit 1 if anything is not as expected

The strings stand in prompts, replies, systems, tools, arguments, names of files, models and columns, and in
all that the public views take. Every page is opened, its tokens, fields and buttons are used, then searched.
"""

import io
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import fields
from pathlib import Path

import numpy as np
from hostile_explorers import explorers, htmls
from lab_browser import CHROMIUM, FLAGS
from playwright.sync_api import sync_playwright
from small_runs import make_beside, train_words

from dpoq_lab import models
from dpoq_lab.commands import cli
from dpoq_lab.encoding import encode_pairs
from dpoq_lab.preferences import read_pairs
from dpoq_lab.runs.diagnosis import Diagnosis, Finding
from dpoq_lab.theory.token_mdp import uniform_tree
from dpoq_lab.views.charts import Series, axis, chart, named_axis
from dpoq_lab.views.curves import pair_curves
from dpoq_lab.views.figures import Figure, beside, sheet
from dpoq_lab.views.prediction import Prediction
from dpoq_lab.views.report import PAGE
from dpoq_lab.views.tables import Table, terms_table
from dpoq_lab.views.theme import STYLE
from dpoq_lab.views.token_explorer import TokenExplorer
from dpoq_lab.views.token_view import heat_map, legend, visible
from dpoq_lab.views.trees import TreeLabels, tree_figure
from dpoq_lab.views.verdict import verdict
from dpoq_lab.views.whiskers import whisker_figure
from dpoq_lab.views.words import share_bars, word_row

RUN, AWAY = "window.__ran=1", "http://elsewhere.invalid/x"
STRINGS = [
    f"<script>{RUN}</script>",
    f"<script src={AWAY}></script>",
    f"<img src=x onerror={RUN}>",
    f"<img src='{AWAY}'>",
    f"<a href=javascript:{RUN}>read</a>",
    f"javascript:{RUN}",
    f"</style><script>{RUN}</script>",
    f"</title></textarea></svg></script><script>{RUN}</script>",
    f"]]><script>{RUN}</script><![CDATA[",
    f"--><script>{RUN}</script><!--",
    f"<svg onload={RUN}><animate onbegin={RUN}></svg>",
    f"</text><foreignObject><body onload={RUN}></foreignObject>",
    f'" onmouseover="{RUN}" autofocus onfocus="{RUN}',
    f"' onclick='{RUN}' x='",
    f"&quot; onclick=&quot;{RUN}",
    f"&lt;img src=x onerror={RUN}&gt; &#60;b&#62;",
    "{{7*7}} ${7*7} #{7*7} <%= 7*7 %> {7*7} %s %(x)s {0}",
    f"`${{{RUN}}}`",
    f"{{{{constructor.constructor('{RUN}')()}}}}",
    f'<base href="{AWAY}/">',
    f'<meta http-equiv="refresh" content="0;url={AWAY}">',
    f'<link rel="stylesheet" href="{AWAY}">',
    f'<iframe srcdoc="<script>parent.__ran=1</script>"></iframe><object data="{AWAY}"></object>',
    f"<style>*{{background:url({AWAY})}}</style>",
    f";background:url({AWAY});--share:url({AWAY})",
    f'"><form action="{AWAY}"><button formaction="javascript:{RUN}">x</button></form>',
    f"<math><mtext></mtext><mglyph><style></math><img src onerror={RUN}>",
    f"<details open ontoggle={RUN}>",
    "\u202egnp.exe \u2066<b>\u2069 \u200b\ufeff",
    "\x1b[31m\x07\x08 escape",
    "$$\\href{javascript:window.__ran=1}{x}$$ <b>**bold**</b>",
]
ALONE = "\ud800<b>alone"  # a lone surrogate: no text, so no pair may hold it
LONG = "w<b>" * 25_000  # 100 KB without a space
NAME = f"<img src=x onerror={RUN}>"  # of a file, a model, a column; without a slash
# Writes all that a chat holds
TEMPLATE = (
    "{{ tools | tojson if tools else '' }}{% for m in messages %}<|{{ m.role }}|>{{ m.name or '' }}"
    "{{ m.content or '' }}{{ m.tool_calls | tojson if m.tool_calls else '' }}"
    "{% if m.role == 'assistant' %}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
# What no view makes; and the attributes that run something, but for the handlers that are the kit's own
FOUND = """() => { const link = 'a[href="#numbers"]';
    const own = `.dpoq-strip,.dpoq-size,.dpoq-controls input,.dpoq-controls select`; return [
    ...[...document.querySelectorAll('script,img,iframe,object,embed,base,link,form,math,animate,b b,' +
        `foreignObject,details[ontoggle],meta[http-equiv],a:not(${link})`)]
        .map(e => e.outerHTML.slice(0, 80)),
    ...[...document.querySelectorAll('*')].flatMap(e => [...e.attributes].map(a => [e, a]))
        .filter(([e, a]) => /^on|^autofocus|^href|^src/.test(a.name) &&
            !(e.matches(own) && /^on(click|keydown|input|change)$/.test(a.name)) && !e.matches(link))
        .map(([e, a]) => `${a.name}=${a.value}`.slice(0, 80)),
    ...[window.__ran, window.parent.__ran].filter(Boolean).map(() => 'a string ran'),
    ...[...document.querySelectorAll('style')].filter(e => !e.textContent.trim().startsWith('.dpoq{'))
        .map(e => e.outerHTML.slice(0, 80)),
]}"""
SHOWN = """() => document.body.textContent + [...document.querySelectorAll('[aria-label],[title]')]
    .map(e => `${e.getAttribute('aria-label')} ${e.title}`).join(' ')"""


def main() -> int:
    """Print a row a page; 1 if one of them is not as expected."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        failed = False
        print("page                    KiB  strings  as expected")
        for name, html, strings in pages(Path(folder)):
            path = Path(folder) / f"{name}.html"
            path.write_text(html, encoding="utf-8", errors="backslashreplace")
            wrong = judged(browser, path, strings)
            size = path.stat().st_size // 1024
            print(f"{name:20} {size:6}  {len(strings):7}  {'; '.join(wrong) or 'yes'}", flush=True)
            failed |= bool(wrong)
        browser.close()
    return int(failed)


def judged(browser, path: Path, strings: list[str]) -> list[str]:
    """What is wrong with a page that is opened and used."""
    page, wrong = browser.new_page(), []
    page.on("dialog", lambda dialog: (wrong.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda r: None if r.url == path.as_uri() else wrong.append(f"asks for {r.url[:80]}"))
    page.on("console", lambda message: wrong.append(f"console: {message.text[:80]}"))
    page.on("pageerror", lambda error: wrong.append(f"error: {str(error)[:80]}"))
    page.goto(path.as_uri())
    shown = page.evaluate(SHOWN)
    wrong += [f"does not show {s[:40]!r}" for s in strings if s not in shown and visible(s) not in shown]
    used(page)
    wrong += [f"holds {found}" for found in page.evaluate(FOUND)]
    page.close()
    return wrong


def used(page) -> None:
    """Use what can be used: tokens by click and key, the field, the order, the size, what explains itself."""
    for number, selector in enumerate((".dpoq-token", ".dpoq-strip", ".dpoq-size", ".dpoq-what")):
        for element in page.locator(selector).all()[:3]:
            element.hover()
            element.click(position={"x": 2, "y": 2}) if number < 3 else element.focus()
            page.keyboard.press("ArrowRight")
    if page.get_by_label("Find").count():
        page.get_by_label("Find").fill(STRINGS[0])
        page.get_by_label("Find").fill("")
        page.get_by_label("Order").select_option("wrong")
    page.wait_for_timeout(100)


def pages(folder: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Each page by name: its HTML and the strings that must stand in it as they are."""
    yield from command_pages(folder)
    for name, parts, strings in (
        ("figures", figures(), STRINGS),
        ("tables", tables(), STRINGS),
        ("tokens", tokens(), [*STRINGS, LONG]),
        ("trees", trees(), STRINGS),
        ("verdict", [verdict(diagnosis(s)) for s in STRINGS], STRINGS),
        ("predictions", predictions(), STRINGS),
        ("explorer", explorer(folder), STRINGS),
    ):
        yield name, page_of(parts), strings
    for name, parts, strings in explorers(STRINGS):
        yield name, page_of(parts), strings


def page_of(parts: list[str]) -> str:
    """A page of views."""
    return PAGE.format(title="views", style=STYLE, body="".join(parts))


def command_pages(folder: Path) -> Iterator[tuple[str, str, list[str]]]:
    """What `inspect` and `diagnose` write of hostile pairs by a model of a hostile name."""
    made = make_beside(folder / "beside")
    policy, pairs, run = made / NAME, made / f"{NAME}.jsonl", made / "run"
    for config in made.glob("*/config.json"):  # room for a chat of many tokens
        config.write_text(config.read_text().replace(": 512", ": 2048"))
    shutil.copytree(made / "policy", policy)
    pairs.write_text("\n".join(map(json.dumps, rows())), encoding="utf-8")
    asked = ["--pairs", str(pairs), "--reference", str(made / "reference"), "--prompt-field", NAME]
    asked += ["--max-length", "2048", "--chat-template", str(made / "template")]
    (made / "template").write_text(TEMPLATE, encoding="utf-8")
    out = made / "out"
    if quietly(["inspect", "--policy", str(policy), *asked, "--out", str(out)]):
        sys.exit("inspect does not succeed")
    expected = [*STRINGS, str(policy), str(pairs)]
    yield "inspect", (out / "report.html").read_text(encoding="utf-8"), expected
    if quietly(train_words(made, run, 6)):
        sys.exit("train does not succeed")
    for name, more, shown in (("diagnose", asked, [*STRINGS, str(pairs)]), ("diagnose, curves", [], [])):
        if quietly(["diagnose", str(run), *more, "--out", str(out / name)]):
            sys.exit("diagnose does not succeed")
        yield name, (out / name / "report.html").read_text(encoding="utf-8"), shown


def quietly(words: list[str]) -> int:
    """The status of a command, without what it prints."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        return cli.main(words)


def rows() -> list[dict]:
    """A pair a string: a string as prompt and reply, or a chat with the string as system, tool and call."""
    found: list[dict] = []
    for number, s in enumerate(STRINGS):
        call = {"type": "function", "function": {"name": s, "arguments": {s: s}}}
        talk = [
            {"role": "system", "content": s},
            {"role": "user", "content": s},
            {"role": "assistant", "content": s, "tool_calls": [call]},
            {"role": "tool", "name": s, "content": s},
        ]
        replies = {side: [{"role": "assistant", "content": f"{s} {side}"}] for side in ("chosen", "rejected")}
        chat = {NAME: talk, **replies, "tools": [call]}
        flaws = {"rejected_flaws": [[3, 3 + len(s)]], s: s}  # a column of that name
        text = {NAME: s, "chosen": f"Or {s}", "rejected": f"So {s}", **flaws}
        found.append(chat if number % 2 else text)
    found.append({NAME: LONG, "chosen": LONG, "rejected": "short"})
    found.append({NAME: ALONE, "chosen": ALONE, "rejected": ALONE})
    return found


def figures() -> list[str]:
    """Every text of a figure, of charts, whiskers and bars of words."""
    parts = []
    for s in [*STRINGS, ALONE]:
        series = [Series(s, [0, 1], [0.0, 1.0]), Series(s, [0, 1], [1.0, 0.0], marks="dots", hovers=[s, s])]
        drawn = chart(series, named_axis(s, [s, s]), axis(s, [0.0, 1.0]), s, s)
        parts += [drawn.html(), sheet([(s, drawn)]), beside(drawn, drawn, alt=s, reading=s).html()]
        parts.append(pair_curves(s, [0.0, 1.0], [1.0, 0.0], difference=s).html())
        found = {"mean": 0.5, "half_95": 0.1, "values": [0.4, 0.6]}
        parts.append(whisker_figure([(s, {}), (s, {s: found})], {s: s}, s, s).html())
        body = share_bars({s: 0.5}, {s: s}, 0.3, 20) + word_row(s, [[(s, 0.1), (s, None)]], 90, {s: s})
        parts.append(Figure(body, 700, 200, s, s).html())
    return parts


def tables() -> list[str]:
    """Every text of a table."""
    numbers = np.array([0.5, 0.5])
    return [
        part
        for s in [*STRINGS, ALONE]
        for part in (
            Table([(s, s), (s,), (s, s)], caption=s, meanings={s: s}).html(),
            terms_table(s, [s, s], {s: numbers}, numbers),
        )
    ]


def tokens() -> list[str]:
    """Tokens, captions, the legend."""
    texts = [*STRINGS, ALONE, LONG]
    values = np.linspace(-1, 1, len(texts)).tolist()
    seen = [number % 3 > 0 for number in range(len(texts))]
    strips = [heat_map(texts, values, 1.0, s, [not b for b in seen], seen) for s in STRINGS]
    return [*strips, *(legend(1.0, s) for s in STRINGS)]


def trees() -> list[str]:
    """Every text of a tree."""
    mdp, parts = uniform_tree(2, 2, 1.0), []
    edges, states, endings = 2 * mdp.n_states, mdp.n_states, mdp.n_trajectories
    for s in STRINGS:
        texts = {"words": [s] * edges, "above": [s] * edges, "below": [s] * edges, "value": s}
        texts |= {"states": [s] * states, "endings": [s] * endings}
        labels = TreeLabels(**texts, width=np.ones(edges), change=np.ones(edges), chosen=1, marked=0)
        parts.append(tree_figure(mdp, labels, s, s).html())
    return parts


def diagnosis(s: str) -> Diagnosis:
    """A diagnosis in which every text is the string."""
    finding = Finding(**{field.name: s for field in fields(Finding)})
    return Diagnosis([finding, finding], {}, [s])


def predictions() -> list[str]:
    """A question, an answer and what came of it."""
    parts = []
    for s in STRINGS:
        asked = Prediction(s, [s, "other"])
        asked.choice.value = s
        asked._outcome = lambda: "other"
        asked._look()
        parts += htmls(asked)
    return parts


def explorer(folder: Path) -> list[str]:
    """What a lesson's token explorer shows of each pair, with a token chosen."""
    tokenizer, parts = models.tiny_tokenizer(), []
    model = models.build(tokenizer, 32, 1)
    texts = [{"prompt": s, "chosen": f"Or {s}", "rejected": f"So {s}"} for s in STRINGS]
    pairs = encode_pairs(tokenizer, read_pairs(texts).pairs, 512).pairs
    shown = TokenExplorer(model, model, tokenizer, pairs)
    for number in range(len(pairs)):
        shown.pair.value = number
        shown.pickers["chosen"].selected = 1
        parts += htmls(shown)
    return parts


if __name__ == "__main__":
    sys.exit(main())
