"""Open every explorer many times, or time its controls, in a real browser that is slowed down.

For maintainers: `python tests/drive_explorers.py openings --times 10 --throttle 6 15` says how often every
explorer was drawn and moved; `python tests/drive_explorers.py latency --throttle 1 6` how long a key press
or a choice takes until nothing changes any more, in the page as readers have it, and in that page an echo, a
slider whose value alone is shown; `storm --seconds 10` moves them at random and says what grew or broke.
`--lessons NAME ...` restricts, `--out FILE` keeps JSON.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from random import Random

import numpy as np
import psutil
from lab_browser import (
    LESSON,
    SETTINGS,
    STEP,
    TOLERATED,
    UNSAVED,
    add_cell,
    opened,
    running_browser,
    running_lab,
    settle,
    throttle,
)
from playwright.sync_api import Error, Locator

from dpoq_lab.views.tables import text_table

EXPLORER = ".jp-OutputArea-output > .widget-vbox:has(.widget-slider, .widget-dropdown)"
# The explorers of each lesson, from top to bottom
EXPLORERS = {
    "00_start_here": ["Film", "RunViewer"],
    "01_token_mdp": ["Film", "RewardExplorer"],
    "02_from_r_to_q": ["Film", "LogitExplorer"],
    "03_dpo_is_inverse_q_learning": ["Film", "ReductionExplorer"],
    "04_what_dpo_can_represent": ["Film", "RepresentationExplorer"],
    "05_train_dpo": ["Film", "LossExplorer"],
    "06_token_rewards": ["Film", "BlameExplorer", "OrderExplorer", "CreditExplorer"],
    "07_search": ["Film", "SearchExplorer"],
    "08_reference_policy": ["Film", "ReferenceExplorer"],
    "09_proxy_tuning": ["Film", "ProxyExplorer"],
    "10_reasoning": ["Film", "ChainExplorer", "WalkExplorer"],
    "11_multi_turn_dialogue": ["Film", "AskExplorer", "TalkExplorer"],
    "12_agents": ["Film", "DeskExplorer", "EpisodeExplorer"],
    "13_multi_model_systems": ["Film", "GameExplorer", "PromptExplorer"],
    "14_your_own_model": ["Film", "RunExplorer"],
}
# Controls that call a model, and those that change nothing before a button is pressed
MODEL = {
    "BlameExplorer": {"pair"},
    "OrderExplorer": {"pair", "policy", "colours"},
    "SearchExplorer": {"pair", "policy", "width", "penalty"},
    "ProxyExplorer": {"pair", "proxy"},
    "WalkExplorer": {"walk", "policy", *(f"step {k}" for k in range(1, 5))},
    "TalkExplorer": {"policy", "game", "you want", "you answer"},
    "PromptExplorer": {"after"},
    "EpisodeExplorer": {"policy", "question", "the model", "the tool"},
}
WAITING = {"OrderExplorer": {"error in"}, "ReferenceExplorer": {"reference", "pairs", "beta", "lr"}}
CONTROLS = {"slider": ".widget-slider", "dropdown": ".widget-dropdown", "buttons": ".widget-toggle-buttons"}
# JupyterLab 4.6 makes a toolbar for each cell that becomes active and never lets go of it: some 50 KiB and
# 350 listeners a time, which would hide what the explorers themselves leave behind
LEAKING = ["@jupyterlab/cell-toolbar-extension"]
GIVE_UP, QUIET = 10_000, 250  # milliseconds; quiet is multiplied by how slow the page is

MARKS = ".dpoq-dot, .dpoq-line, .dpoq-edge, .dpoq-bar"
# What is not drawn of each explorer, in words
UNDRAWN = """(explorers, marks) => explorers.map(explorer => {
    const all = (selector, inside = explorer) => [...inside.querySelectorAll(selector)];
    const seen = element => {
        const {width, height} = element.getBoundingClientRect();
        return width + height > 0;
    };
    const place = mark => ['d', 'cx', 'cy', 'x', 'y', 'width', 'height', 'transform']
        .map(name => mark.getAttribute(name)).join();
    const name = part => (part.ariaLabel ?? part.innerText ?? '').trim().replace(/\\s+/g, ' ').slice(0, 40);
    const problems = (what, selector, test) =>
        all(selector).filter(test).map(part => `${what} ${name(part)}`.trim());
    const without = parts => whole => !seen(whole) || !all(parts, whole).some(seen);
    return [
        ...(all('figure.dpoq-figure, .dpoq-strip').length ? [] : ['neither a figure nor tokens']),
        ...problems('no svg', 'figure.dpoq-figure', without(':scope > svg')),
        ...problems('empty figure', 'figure.dpoq-figure > svg', without(marks)),
        ...problems('drawn at no number', marks, mark => /nan|inf|undefined/i.test(place(mark))),
        ...problems('no tokens', '.dpoq-strip', without('.dpoq-token')),
        ...problems('no options', '.widget-dropdown', dropdown => !all('option', dropdown).length),
        ...problems('no handle', '.widget-slider', without('.noUi-handle')),
        ...problems('no text', '.dpoq-reading', reading => !reading.textContent.trim()),
    ];
})"""
# All that an explorer shows, without its controls
SHOWN = """explorer => [...explorer.querySelectorAll('.widget-html-content, .dpoq-figure, .dpoq-strip')]
    .map(part => part.innerHTML).join('\\n')"""
# Is a control at its last value, so that it can only go back?
AT_END = """control => {
    const handle = control.querySelector('.noUi-handle'), select = control.querySelector('select');
    if (handle) return Number(handle.ariaValueNow) >= Number(handle.ariaValueMax);
    if (select) return select.selectedIndex === select.length - 1;
    return control.querySelector('button:last-of-type').matches('.mod-active');
}"""
# Moves a control by one step: the milliseconds until the last change outside of it, or why it gives up
TIME = """async (explorer, [control, forward, quiet, limit]) => {
    const step = forward ? 1 : -1;
    const handle = control.querySelector('.noUi-handle'), select = control.querySelector('select');
    const buttons = [...control.querySelectorAll('button')];
    let last = 0;
    const observer = new MutationObserver(changes => {
        if (changes.some(({target}) => !control.contains(target))) last = performance.now();
    });
    observer.observe(explorer, {subtree: true, childList: true, attributes: true, characterData: true});
    handle?.focus();
    const start = performance.now();
    if (handle) {
        const key = forward ? 'ArrowRight' : 'ArrowLeft';
        handle.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));
    } else if (select) {
        select.selectedIndex += step;
        select.dispatchEvent(new Event('change', {bubbles: true}));
    } else buttons[buttons.findIndex(button => button.matches('.mod-active')) + step].click();
    const settled = () => last && performance.now() - last > quiet;
    while (!settled() && (last || performance.now()) - start < limit)
        await new Promise(go => setTimeout(go, 10));
    observer.disconnect();
    return settled() ? last - start : last ? 'still changing' : 'nothing changed';
}"""

# The least that a widget can do: a slider, and what it says as text
ECHO = """import ipywidgets
slider, said = ipywidgets.FloatSlider(max=10, step=0.1, description="echo"), ipywidgets.HTML()
slider.observe(lambda change: setattr(said, "value", str(change.new)), "value")
ipywidgets.VBox([slider, said])"""


@dataclass
class Control:
    """A slider, dropdown or row of toggle buttons of an explorer; `kind` is one of CONTROLS."""

    explorer: str
    label: str
    kind: str
    element: Locator
    calls_a_model: bool

    def move(self):
        """Move it by one step, a slider by an arrow key."""
        back = self.element.evaluate(AT_END)
        if self.kind == "slider":
            self.element.locator(".noUi-handle").press("ArrowLeft" if back else "ArrowRight")
        elif self.kind == "dropdown":
            at = self.element.locator("select").evaluate("select => select.selectedIndex")
            self.element.locator("select").select_option(index=at - 1 if back else at + 1)
        else:
            on = self.element.locator("button.mod-active").last
            on.locator("xpath=following-sibling::button | preceding-sibling::button").first.click()


def explorers(lesson):
    """Name and box of every explorer of a lesson."""
    return zip(EXPLORERS[lesson.name], lesson.page.locator(EXPLORER).all(), strict=True)


def controls(explorer, box):
    """The controls of an explorer that change what it shows, in the order of the page."""
    found, times = [], Counter()
    for element in box.locator(", ".join(CONTROLS.values())).all():
        kind = next(
            kind for kind, css in CONTROLS.items() if element.evaluate("(e, css) => e.matches(css)", css)
        )
        label = element.locator(".widget-label").first.inner_text()
        if label not in WAITING.get(explorer, ()):
            times[label] += 1
            unique = label if times[label] == 1 else f"{label} ({times[label]})"
            found.append(Control(explorer, unique, kind, element, label in MODEL.get(explorer, ())))
    return found


def undrawn(lesson, patience=STEP):
    """What is still not drawn of the lesson's explorers after some seconds, each as 'EXPLORER: what'."""
    names, deadline = EXPLORERS[lesson.name], time.monotonic() + patience
    while True:
        found = lesson.page.locator(EXPLORER).evaluate_all(UNDRAWN, MARKS)
        reasons = [f"{name}: {what}" for name, whats in zip(names, found, strict=False) for what in whats]
        if len(found) != len(names):
            reasons.append(f"{len(found)} explorers in the page, not {len(names)}")
        if not reasons or time.monotonic() > deadline:
            return reasons
        lesson.page.wait_for_timeout(500)


def unmoved(lesson):
    """The explorers that one move, of the first slider or else of the first dropdown, does not change."""
    reasons = []
    for name, box in explorers(lesson):
        first = min(controls(name, box), key=lambda control: list(CONTROLS).index(control.kind))
        # twice, for a film may come to its end in between, from where it can only go back
        if not any(_changed_by(lesson, box, first) for _ in range(2)):
            reasons.append(f"{name}: nothing changed by {first.label}")
    return reasons


def _changed_by(lesson, box, control):
    """Whether a move changes what an explorer shows."""
    before = box.evaluate(SHOWN)
    control.move()
    try:
        lesson.page.wait_for_function(
            f"([box, before]) => ({SHOWN})(box) !== before",
            arg=[box.element_handle(), before],
            timeout=STEP * 500,
        )
    except Error:
        return False
    return True


def opening_problems(browser, lab, name, rate):
    """Open a lesson in a fresh browser context, `rate` times slower; what fails of its explorers."""
    try:
        with opened(browser, lab, name, rate) as lesson:
            settle(lesson.page)
            reasons = undrawn(lesson) or unmoved(lesson)
            return reasons + lesson.problems if reasons else []
    except (Error, AssertionError) as error:
        return [f"not opened: {str(error).splitlines()[0]}"]


def openings(browser, lab, options):
    """One record for every opening of a lesson."""
    records = []
    for rate in options.throttle:
        for turn in range(options.times):
            for name in options.lessons:
                problems = opening_problems(browser, lab, name, rate)
                records.append({"throttle": rate, "lesson": name, "time": turn + 1, "problems": problems})
                print(f"{rate:g} x slower, {turn + 1}, {name}: {'; '.join(problems) or 'drawn'}", flush=True)
    return records


def openings_table(records):
    """How many openings drew and moved every explorer, and why the others did not."""
    rows = [("lesson", "x slower", "drawn", "of", "why not")]
    order = sorted(records, key=lambda record: (record["throttle"], record["lesson"]))
    for (rate, name), group in groupby(order, lambda record: (record["throttle"], record["lesson"])):
        problems = [record["problems"] for record in group]
        why = Counter(what for whats in problems for what in whats)
        text = "; ".join(f"{n} x {what}" for what, n in why.items())
        rows.append((name, f"{rate:g}", str(sum(not p for p in problems)), str(len(problems)), text))
    return text_table(rows)


def timed(control, box, times, rate):
    """The milliseconds that each of `times` moves takes, there and back; if one gave up, why."""
    forward, taken = not control.element.evaluate(AT_END), []
    for _ in range(times):
        arg = [control.element.element_handle(), forward, QUIET * rate, GIVE_UP]
        took = box.evaluate(TIME, arg)
        if isinstance(took, str):
            return taken, took
        taken.append(took)
        forward = not forward
    return taken, ""


def latency(browser, lab, options):
    """One record for every control of every explorer and every rate."""
    records = []
    for name in options.lessons:
        with opened(browser, lab, name) as lesson:
            boxes = explorers(lesson)
            add_cell(lesson.page, ECHO)
            echo = ("echo", lesson.page.locator(EXPLORER).last)
            boxes = [each for box in boxes for each in (echo, box)]  # a machine is not always as busy
            for rate in options.throttle:
                throttle(lesson.page, rate)
                records += lesson_latency(lesson, boxes, rate, options.times)
    return records


def lesson_latency(lesson, boxes, rate, times):
    """One record for every control of a lesson's explorers."""
    records = []
    for explorer, box in boxes:
        box.scroll_into_view_if_needed()
        for control in controls(explorer, box):
            settle(lesson.page)
            taken = timed(control, box, times, rate)
            records.append(latency_record(lesson.name, control, rate, *taken))
            print(*records[-1].values(), flush=True)
    return records


def latency_record(lesson, control, rate, taken, gave_up):
    """Median and 95th percentile of the milliseconds that the moves of a control took."""
    p50, p95 = np.percentile(taken, [50, 95]).round().tolist() if taken else (None, None)
    return {
        "lesson": lesson,
        "explorer": control.explorer,
        "control": control.label,
        "throttle": rate,
        "moves": len(taken),
        "p50_ms": p50,
        "p95_ms": p95,
        "model": control.calls_a_model,
        "gave_up": gave_up,
    }


def latency_table(records):
    """One line for every record."""
    rows = [("lesson", "explorer", "control", "x slower", "moves", "p50 ms", "p95 ms", "")]
    for record in records:
        names = (record["lesson"], record["explorer"], record["control"])
        times = [f"{record[p]:.0f}" if record["moves"] else "-" for p in ("p50_ms", "p95_ms")]
        marks = ["model"] * record["model"]
        if record["gave_up"]:
            marks.append(f"GAVE UP: {record['gave_up']} in {GIVE_UP / 1000:g} s")
        rows.append((*names, f"{record['throttle']:g}", str(record["moves"]), *times, ", ".join(marks)))
    return text_table(rows, left=3)


def storm(browser, lab, options):
    """One record for every lesson: controls moved at random for some seconds, and what grew or broke."""
    records = []
    for name in options.lessons:
        with opened(browser, lab, name) as lesson:
            settle(lesson.page)
            every = [control for explorer, box in explorers(lesson) for control in controls(explorer, box)]
            records.append(lesson_storm(lesson, every, Random(name), options.seconds))
            print(*records[-1].values(), flush=True)
    return records


def lesson_storm(lesson, every, random, seconds):
    """Warm up by a move of each control, then compare memory before and after the random ones."""
    for control in every:
        control.move()
    settle(lesson.page, LESSON)  # models may have moves waiting
    before, moves, deadline = memory(lesson.page), 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        random.choice(every).move()
        moves += 1
    settle(lesson.page, LESSON)
    after = memory(lesson.page)
    errors = [text for text in lesson.page.evaluate("kernelErrors") if TOLERATED not in text]
    problems = lesson.problems + errors + undrawn(lesson)
    grown = {name: round(after[name] - before[name], 1) for name in before}
    return {"lesson": lesson.name, "controls": len(every), "moves": moves, **grown, "problems": problems}


def memory(page):
    """MiB, nodes and listeners of the page after a collection, and MiB of the lesson's kernel."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    session.send("HeapProfiler.collectGarbage")
    told = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
    session.detach()
    family = psutil.Process().children(recursive=True)
    kernels = [one.memory_info().rss for one in family if "ipykernel_launcher" in " ".join(one.cmdline())]
    page_now = {"page_mib": told["JSHeapUsedSize"] / 2**20, "nodes": told["Nodes"]}
    return page_now | {"listeners": told["JSEventListeners"], "kernel_mib": sum(kernels) / 2**20}


def storm_table(records):
    """One line for every lesson, and how many controls and moves there were in all."""
    rows = [("lesson", "controls", "moves", "page MiB more", "nodes", "listeners", "kernel MiB", "problems")]
    for record in records:
        *told, problems = record.values()
        rows.append((*map(str, told), "; ".join(problems) or "none"))
    every, moves = (str(sum(record[key] for record in records)) for key in ("controls", "moves"))
    return text_table([*rows, ("all", every, moves, *[""] * 5)])


def parsed():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, times, rates in (("openings", 10, [6, 15]), ("latency", 20, [1, 6])):
        command = commands.add_parser(name)
        command.add_argument("--times", type=int, default=times, help="openings, or moves of a control")
        command.add_argument("--throttle", type=float, nargs="+", default=rates, help="how much slower")
        _add_common(command)
    command = commands.add_parser("storm")
    command.add_argument("--seconds", type=float, default=10, help="of random moves, a lesson")
    _add_common(command)
    return parser.parse_args()


def _add_common(command):
    command.add_argument("--lessons", nargs="+", choices=EXPLORERS, default=list(EXPLORERS), metavar="NAME")
    command.add_argument("--out", type=Path, help="keep what was measured as JSON")


def main():
    options = parsed()
    measure, table = {
        "openings": (openings, openings_table),
        "latency": (latency, latency_table),
        "storm": (storm, storm_table),
    }[options.command]
    without = LEAKING if options.command == "storm" else ()
    settings = UNSAVED if options.command == "latency" else SETTINGS
    with (
        tempfile.TemporaryDirectory() as home,
        running_lab(Path(home), without, settings) as lab,
        running_browser() as browser,
    ):
        records = measure(browser, lab, options)
    if options.out:
        options.out.write_text(json.dumps(records, indent=1) + "\n")
    print(table(records))


if __name__ == "__main__":
    main()
