"""Each lesson in JupyterLab, in a real browser, with its widgets moved by mouse and keyboard.

`DPOQ_SCREENSHOTS=FOLDER` keeps pictures of what was seen. A lesson is run but never saved.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from dpoq_lab.commands.lab import lab_command
from dpoq_lab.paths import kit_folder

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the extra `browser`")
expect = sync_api.expect

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).is_file(), reason="needs Debian's chromium"),
]

TOKEN = "a-fixed-token-for-this-test"
START, LESSON, STEP = 120, 900, 60  # seconds; lesson 05 takes minutes on two busy cores
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
]
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}
# What is badly laid out: tokens whose number is not under them, outputs that need scrolling sideways
BESIDE = """tokens => tokens.filter(({children: [text, number]}) =>
    number.getBoundingClientRect().top < text.getBoundingClientRect().bottom - 1).map(t => t.innerText)"""
WIDE = "outputs => outputs.filter(o => o.scrollWidth > o.clientWidth + 1).map(o => o.innerText.slice(0, 80))"
NO_X = """plots => plots.flatMap(plot => plot.data).filter(trace => trace.y?.length && !trace.x?.length)
    .map(trace => trace.name)"""
# Runs all cells, and keeps what no cell shows: the errors of callbacks and how many requests are at work
RUN = """() => { Object.assign(window, {kernelErrors: [], busy: 0, heard: 0}); (async () => {
    const panel = jupyterapp.shell.currentWidget;
    await jupyterapp.restored;
    await panel.context.ready;
    await panel.sessionContext.ready;
    panel.sessionContext.iopubMessage.connect((_, {header, content}) => {
        heard = Date.now();
        busy = Math.max(0, busy + ({busy: 1, idle: -1}[content.execution_state] ?? 0));
        if (header.msg_type === 'error' || content.name === 'stderr')
            kernelErrors.push(content.text ?? content.traceback.join('\\n'));
    });
    await jupyterapp.commands.execute('notebook:run-all-cells');
})().then(() => window.finished = 'done', error => window.finished = String(error)) }"""
# Widgets ask a kernel that has not imported ipywidgets yet; they then go on without (ipywidgets #3525)
TOLERATED = "No such comm"
PAYLOAD = '</script><img src=x onerror="window.hacked=1"><b>bold</b>'
ERRORS = '[data-mime-type$="vnd.jupyter.stderr"], [data-mime-type$="vnd.jupyter.error"]'


@contextmanager
def running(command, env, log):
    """A server that is asked to stop at the end, and that must then leave no process behind."""
    with log.open("w") as out, subprocess.Popen(command, env=env, stdout=out, stderr=out) as server:
        process = psutil.Process(server.pid)
        try:
            yield server
        finally:
            family = [process, *process.children(recursive=True)] if server.poll() is None else []
            server.terminate()
            _, alive = psutil.wait_procs(family, timeout=STEP)
            for survivor in alive:
                survivor.kill()
    assert not alive, f"JupyterLab left processes behind: {alive}"


def answer(url, token=None):
    """Status and final address of a request to the lab."""
    headers = {"Authorization": f"token {token}"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=STEP) as reply:
            return reply.status, reply.url
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.url


def wait_until_up(url, server, log):
    """Return when the lab answers; fail with its log if it stops or takes too long."""
    deadline = time.monotonic() + START
    while server.poll() is None and time.monotonic() < deadline:
        try:
            if answer(f"{url}/api/status", TOKEN)[0] == 200:
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()}")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab started as `dpoq-lab` starts it, with settings of its own."""
    home = tmp_path_factory.mktemp("jupyter")
    (home / "config" / "labconfig").mkdir(parents=True)
    (home / "config" / "labconfig" / "default_setting_overrides.json").write_text(json.dumps(SETTINGS))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    env = os.environ | {
        "DPOQ_PRESET": "ci",
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_TOKEN": TOKEN,
        "PYTHONPATH": str(kit_folder()),  # the kernels import the package that this test imports
    }
    env.pop("TQDM_DISABLE", None)  # a reader sees the progress bars
    command = lab_command(no_browser=True, port=port)
    command += ["--LabApp.expose_app_in_browser=True", "--ServerApp.port_retries=0"]
    command += [f"--FileCheckpoints.checkpoint_dir={home / 'checkpoints'}"]
    url, log = f"http://127.0.0.1:{port}", home / "lab.log"
    with running(command, env, log) as server:
        wait_until_up(url, server, log)
        yield url


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@dataclass
class Lesson:
    """A lesson open in the browser, with what went wrong in the page and whom it tried to reach."""

    name: str
    page: object
    problems: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def shoot(self, part):
        """Keep a picture of the whole lesson if asked to."""
        if folder := os.environ.get("DPOQ_SCREENSHOTS"):
            tall = self.page.locator(".jp-Notebook").evaluate(
                """(notebook) => {
                    const cells = [...notebook.querySelectorAll('.jp-Cell')];
                    return cells.at(-1).getBoundingClientRect().bottom - cells[0].getBoundingClientRect().top;
                }"""
            )
            self.page.set_viewport_size({"width": SCREEN["width"], "height": int(tall) + 200})
            self.page.locator(".jp-WindowedPanel-outer").evaluate("outer => outer.scrollTo(0, 0)")
            self.page.locator(".jp-Notebook").screenshot(path=Path(folder) / f"{self.name}_{part}.png")
            self.page.set_viewport_size(SCREEN)


SCREEN = {"width": 1024, "height": 768}  # a small projector


@pytest.fixture
def open_lesson(lab, browser):
    """A function that opens a lesson and runs all its cells; its kernel ends with the test."""
    context = browser.new_context(viewport=SCREEN, service_workers="block")
    page = context.new_page()

    def open_and_run(name):
        lesson = Lesson(name, page)
        watch(context, lesson, lab)
        page.goto(
            f"{lab}/lab/workspaces/{name}/tree/notebooks/{name}.ipynb?token={TOKEN}", timeout=START * 1000
        )
        run_all(page, f"notebooks/{name}.ipynb")
        return lesson

    yield open_and_run
    page.evaluate("window.jupyterapp?.shell.currentWidget?.sessionContext.shutdown()")
    context.close()


def watch(context, lesson, lab):
    """Log page errors, console errors and every request to another machine, which is blocked."""

    def block(route):
        lesson.strangers.append(route.request.url)
        route.abort()

    def check_socket(opened):
        if not opened.url.startswith(lab.replace("http", "ws") + "/"):
            lesson.strangers.append(opened.url)

    def check_console(message):
        if message.type == "error":
            lesson.problems.append(f"console: {message.text} {message.location}")

    context.route(re.compile(f"^(?!{re.escape(lab)}/)"), block)
    lesson.page.on("websocket", check_socket)
    lesson.page.on("console", check_console)
    lesson.page.on("pageerror", lambda error: lesson.problems.append(f"page: {error}"))


def run_all(page, path):
    """Run all cells of the lesson and return when the last one is done."""
    page.wait_for_function(
        "path => window.jupyterapp?.shell.currentWidget?.context?.path === path",
        arg=path,
        timeout=START * 1000,
    )
    page.evaluate(RUN)
    page.wait_for_function("window.finished", timeout=LESSON * 1000)
    assert page.evaluate("window.finished") == "done"


def execute(page, code):
    """Run code in the kernel of the lesson and return when it is done."""
    kernel = "jupyterapp.shell.currentWidget.sessionContext.session.kernel"
    page.evaluate(f"code => {kernel}.requestExecute({{code}}).done.then(() => null)", code)


def assert_clean(lesson):
    """Every cell ran, none with an error; outputs are laid out well; the page kept to itself."""
    lesson.page.wait_for_function("busy === 0 && Date.now() - heard > 500", timeout=STEP * 1000)
    unrun = lesson.page.evaluate(
        """() => jupyterapp.shell.currentWidget.content.widgets
            .filter(cell => cell.model.type === 'code' && !cell.model.executionCount)
            .map(cell => cell.model.sharedModel.source)"""
    )
    assert unrun == []
    assert lesson.page.locator(ERRORS).all_text_contents() == []
    errors = lesson.page.evaluate("kernelErrors")
    assert [text for text in errors if not text.startswith(TOLERATED)] == []
    assert lesson.page.locator(".dpoq-token").evaluate_all(BESIDE) == []
    assert lesson.page.locator(".jp-OutputArea-output").evaluate_all(WIDE) == []
    assert lesson.page.locator(".js-plotly-plot").evaluate_all(NO_X) == []  # drawn against 0, 1, 2, ...
    assert lesson.problems == []
    assert lesson.strangers == []


def drag(slider, share):
    """Drag the handle of a slider to `share` of its length, as a hand does; return its new readout."""
    slider.scroll_into_view_if_needed()
    mouse = slider.page.mouse
    handle, bar = (slider.locator(f".noUi-{part}").bounding_box() for part in ("handle", "base"))
    readout = slider.locator(".widget-readout")
    before = readout.inner_text()
    mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
    mouse.down()
    mouse.move(bar["x"] + share * bar["width"], bar["y"] + bar["height"] / 2, steps=5)
    mouse.up()
    expect(readout).not_to_have_text(before, timeout=STEP * 1000)
    return float(readout.inner_text().replace("\u2212", "-"))


@contextmanager
def changes(locator):
    """The texts of these elements must change by what is done inside."""
    expect(locator.first).to_be_visible(timeout=STEP * 1000)
    before = locator.all_text_contents()
    yield
    expect(locator).not_to_have_text(before, timeout=STEP * 1000)


def widget(page, marker):
    """The outermost box of the explorer that holds an element of this CSS class."""
    inner = page.locator(marker)
    return page.locator(".jp-OutputArea-output > .widget-vbox", has=inner).first


def move_heat_map(lesson):
    """Lesson 00: pair and beta change the heat map."""
    explorer = widget(lesson.page, ".widget-dropdown")
    with changes(explorer.locator(".dpoq-token .t")):
        explorer.locator("select").select_option(index=7)
    lesson.shoot("pair")
    with changes(explorer.locator(".dpoq-token .v")):
        drag(explorer.locator(".widget-slider"), 0.9)
    lesson.shoot("beta")


def move_loss(lesson):
    """Lesson 05: beta and d change the reading, and the curves of the training are drawn."""
    explorer = widget(lesson.page, ".widget-slider")
    reading = explorer.locator(".widget-html-content").last
    for name, label, share in (("beta", "beta", 0.6), ("d (nats)", "d", 0.2)):
        value = drag(explorer.locator(".widget-slider", has_text=name), share)
        number = f"{value:+.1f}" if label == "d" else f"{value:.2f}"
        expect(reading).to_contain_text(f"{label} {number}", timeout=STEP * 1000)
    figure = lesson.page.locator(".js-plotly-plot", has_text="margin").first  # the first half's
    expect(figure.locator(".legendtext")).to_have_text(["chosen", "rejected", "margin"])
    curves = figure.locator(".scatterlayer path.js-line")
    expect(curves).to_have_count(3)
    for path in curves.all():
        assert path.get_attribute("d").count("L") >= 3, "a curve without points"
    lesson.shoot("moved")


def move_tokens(lesson):
    """Lesson 06: choose tokens by mouse and key, move beta, choose another pair, edit a reply."""
    explorer = widget(lesson.page, ".dpoq-picker")
    tokens = explorer.locator('[aria-label^="rejected"] [role="option"]')
    named = explorer.locator(".dpoq-detail > b")
    for index, act in ((3, tokens.nth(3).click), (4, lambda: lesson.page.keyboard.press("ArrowRight"))):
        with changes(explorer.locator(".dpoq-detail")):
            act()
        expect(named).to_have_text(tokens.nth(index).locator(".t").inner_text(), timeout=STEP * 1000)
        expect(tokens.nth(index)).to_be_focused()
        expect(tokens.nth(index)).to_have_attribute("aria-selected", "true")
    lesson.shoot("token")
    with changes(explorer.locator(".dpoq-picker .v")), changes(explorer.locator(".dpoq-detail")):
        drag(explorer.locator(".widget-slider"), 0.5)
    with changes(explorer.locator(".dpoq-picker .t")):
        explorer.locator("select").select_option(index=5)
    lesson.shoot("pair")
    with changes(tokens.locator(".v")):
        leave_text(explorer, explorer.locator("textarea").last.input_value() + " Thank you.")
    lesson.shoot("edited")
    run_no_script(lesson, explorer, tokens)


def leave_text(explorer, text):
    """Write into the box of the rejected reply, leave it, and wait until it is scored again."""
    box = explorer.locator("textarea").last
    box.fill(text)
    box.press("Tab")
    expect(explorer).to_contain_text("Scored again", timeout=STEP * 1000)


def run_no_script(lesson, explorer, tokens):
    """HTML in a reply, or whole in one token, is shown as text and never becomes HTML."""
    with changes(tokens.locator(".t")):
        leave_text(explorer, PAYLOAD)
    assert shown(tokens).startswith(PAYLOAD)
    tokens.nth(2).click()
    expect(explorer.locator(".dpoq-detail > b")).to_have_text(tokens.nth(2).locator(".t").inner_text())
    lesson.shoot("html")
    execute(
        lesson.page,
        f"""from dpoq_lab.views.token_view import cells
explorer.pickers["rejected"].show(cells([{PAYLOAD!r}], [0.0], 1.0), "rejected")""",
    )
    expect(tokens).to_have_count(1, timeout=STEP * 1000)
    assert shown(tokens) == PAYLOAD
    assert explorer.locator(".dpoq-picker").locator("img, b, script").count() == 0
    assert lesson.page.locator('img[src="x"]').count() == 0
    assert lesson.page.evaluate("typeof window.hacked") == "undefined"


def shown(tokens):
    """The text that these tokens show, with their spaces as spaces."""
    return "".join(tokens.locator(".t").all_text_contents()).replace("\u00b7", " ")


def move_theory(lesson):
    """Lessons 01 to 04: every slider and every choice of the explorer changes what it says or draws."""
    explorer = widget(lesson.page, ".widget-slider")
    said = explorer.locator(".widget-html-content, .js-plotly-plot text")
    for slider in explorer.locator(".widget-slider").all():
        with changes(said):
            drag(slider, 0.8)
    for choice in explorer.locator(".widget-dropdown select").all():
        with changes(said):
            choice.select_option(index=1)
    lesson.shoot("moved")


def move_search(lesson):
    """Lesson 07: the trees grow by the step, and one search changes with its width and its policy."""
    explorer = widget(lesson.page, ".js-plotly-plot")
    drawn = explorer.locator(".js-plotly-plot text")
    sliders = explorer.locator(".widget-slider")
    with changes(drawn):
        drag(sliders.filter(has_text="step"), 0.3)
    with changes(drawn):
        drag(sliders.filter(has_text="width").first, 0.7)
    with changes(explorer.locator(".widget-html-content")):
        explorer.locator("select").last.select_option(label="SFT")
    lesson.shoot("moved")


def move_reference(lesson):
    """Lesson 08: stored runs change curves and reading; a live run starts, stops and goes on."""
    explorer = widget(lesson.page, ".widget-dropdown")
    reading = explorer.locator(".widget-html-content").last
    with changes(reading), changes(explorer.locator(".js-plotly-plot text")):
        explorer.locator("select").first.select_option(index=2)
    with changes(explorer.locator(".js-plotly-plot text")):
        explorer.get_by_role("button", name="log pi").click()
    explorer.locator("select").nth(1).select_option(label="SFT")
    explorer.get_by_role("button", name="Train").click()
    expect(reading).to_contain_text("Live: step", timeout=STEP * 1000)
    explorer.get_by_role("button", name="Stop").click()
    expect(reading).to_contain_text(re.compile("Stopped|step 10 of 10"), timeout=STEP * 1000)
    lesson.shoot("live")
    explorer.get_by_role("button", name="Train").click()
    expect(reading).to_contain_text("Live:", timeout=STEP * 1000)
    with changes(explorer.locator(".js-plotly-plot text")):
        explorer.locator("select").first.select_option(index=1)
        explorer.get_by_role("button", name="KL").click()


MOVES = {
    "00_start_here": move_heat_map,
    "01_token_mdp": move_theory,
    "02_from_r_to_q": move_theory,
    "03_dpo_is_inverse_q_learning": move_theory,
    "04_what_dpo_can_represent": move_theory,
    "05_train_dpo": move_loss,
    "06_token_rewards": move_tokens,
    "07_search": move_search,
    "08_reference_policy": move_reference,
    "09_proxy_tuning": move_theory,
}


@pytest.mark.parametrize("name", MOVES)
def test_a_lesson_runs_and_its_widgets_move(name, open_lesson):
    notebook = kit_folder() / "notebooks" / f"{name}.ipynb"
    before = notebook.read_bytes()
    lesson = open_lesson(name)
    lesson.shoot("run")
    assert_clean(lesson)
    MOVES[name](lesson)
    assert_clean(lesson)
    assert notebook.read_bytes() == before


@pytest.mark.parametrize("token", [None, "another-token"])
def test_the_lab_asks_for_its_token(token, lab):
    assert answer(f"{lab}/api/contents", token)[0] == 403
    status, url = answer(f"{lab}/lab/tree/notebooks/00_start_here.ipynb", token)
    assert status != 200 or "/login" in url
    assert answer(f"{lab}/api/contents", TOKEN)[0] == 200
