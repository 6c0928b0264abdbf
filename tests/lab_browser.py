"""JupyterLab as `dpoq-lab` starts it, a lesson in a real browser, and what a hand does to its widgets."""

import json
import os
import re
import secrets
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
from playwright.sync_api import expect, sync_playwright

from dpoq_lab.commands.lab import lab_command, lab_environment, workspaces_folder
from dpoq_lab.paths import kit_folder

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
SCREEN = {"width": 1280, "height": 800}  # a small laptop
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
# Widgets ask a kernel that has not imported ipywidgets yet; they then go on without (ipywidgets #3525)
TOLERATED = "No such comm"
# What a test needs beyond what `dpoq-lab` itself sets: nothing is saved, and every cell is drawn
UNSAVED = {"@jupyterlab/docmanager-extension:plugin": {"autosave": False}}
SETTINGS = UNSAVED | {"@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"}}
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

KERNEL = "jupyterapp.shell.currentWidget.sessionContext.session.kernel"
ADD = """async code => {
    const {content} = jupyterapp.shell.currentWidget;
    content.activeCellIndex = content.widgets.length - 1;
    await jupyterapp.commands.execute('notebook:insert-cell-below');
    content.activeCell.model.sharedModel.setSource(code);
    await jupyterapp.commands.execute('notebook:run-cell');
}"""


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


def request(url, token=None, method="GET"):
    """A request to the lab: its status, final address and body."""
    headers = {"Authorization": f"token {token}"} if token else {}
    asked = urllib.request.Request(url, headers=headers, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=STEP) as reply:
            return reply.status, reply.url, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.url, error.read()


def wait_until_up(url, server, log):
    """Return when the lab answers; fail with its log if it stops or takes too long."""
    deadline = time.monotonic() + START
    while server.poll() is None and time.monotonic() < deadline:
        try:
            if request(f"{url}/api/status", TOKEN)[0] == 200:
                return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}")


def environment(home):
    """The environment of a lab that keeps settings, kernels and lessons' state in a folder of its own."""
    env = lab_environment() | {
        "DPOQ_PRESET": "ci",
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_TOKEN": TOKEN,
        "PYTHONPATH": str(kit_folder()),  # the kernels import the package that is imported here
    }
    env.pop("TQDM_DISABLE", None)  # a reader sees the progress bars
    return env


@contextmanager
def running_lab(home, without=(), settings=SETTINGS):
    """The address of a JupyterLab started as `dpoq-lab` starts it; its files go to the folder `home`.

    `without` names extensions that are switched off; `settings` go beyond those of `dpoq-lab`.
    """
    config = home / "config" / "labconfig"
    config.mkdir(parents=True)
    (config / "default_setting_overrides.json").write_text(json.dumps(settings))
    (config / "page_config.json").write_text(json.dumps({"disabledExtensions": dict.fromkeys(without, True)}))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [part for part in lab_command(no_browser=True, port=port) if "workspaces_dir" not in part]
    command += [f"--LabApp.workspaces_dir={workspaces_folder(home)}"]
    command += ["--LabApp.expose_app_in_browser=True", "--ServerApp.port_retries=0"]
    command += [f"--FileCheckpoints.checkpoint_dir={home / 'checkpoints'}"]
    url, log = f"http://127.0.0.1:{port}", home / "lab.log"
    with running(command, environment(home), log) as server:
        wait_until_up(url, server, log)
        yield url


def end_kernels(lab):
    """End the kernels of all lessons. The server is asked, since a page may be gone or hang."""
    for session in json.loads(request(f"{lab}/api/sessions", TOKEN)[2]):
        request(f"{lab}/api/sessions/{session['id']}", TOKEN, "DELETE")


@contextmanager
def running_browser():
    """Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


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


@contextmanager
def fresh_page(browser, lab, name, rate=1):
    """A page for a lesson in a context of its own, as slow as asked; the lesson's kernel ends with it."""
    context = browser.new_context(viewport=SCREEN, service_workers="block")
    lesson = Lesson(name, context.new_page())
    watch(context, lesson, lab)
    throttle(lesson.page, rate)
    try:
        yield lesson
    finally:
        context.close()
        end_kernels(lab)


@contextmanager
def opened(browser, lab, name, rate=1):
    """A lesson in a fresh page with all its cells run."""
    workspace = f"{name}-{secrets.token_hex(4)}"  # no opening finds the layout of another
    address = f"{lab}/lab/workspaces/{workspace}/tree/notebooks/{name}.ipynb?token={TOKEN}"
    with fresh_page(browser, lab, name, rate) as lesson:
        lesson.page.goto(address, timeout=START * 1000)
        wait_until_open(lesson)
        run_all(lesson.page)
        yield lesson


def throttle(page, rate):
    """Make the page's processor `rate` times slower, from now on."""
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": rate})


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


def wait_until_open(lesson):
    """Return when the lesson is what JupyterLab shows."""
    lesson.page.wait_for_function(
        "path => window.jupyterapp?.shell.currentWidget?.context?.path === path",
        arg=f"notebooks/{lesson.name}.ipynb",
        timeout=START * 1000,
    )


def run_all(page):
    """Run all cells of the lesson and return when the last one is done."""
    page.evaluate(RUN)
    page.wait_for_function("window.finished", timeout=LESSON * 1000)
    assert page.evaluate("window.finished") == "done"


def settle(page, patience=STEP):
    """Return when the kernel has nothing left to do and has been silent for half a second."""
    page.wait_for_function("busy === 0 && Date.now() - heard > 500", timeout=patience * 1000)


def execute(page, code):
    """Run code in the kernel of the lesson and return when it is done."""
    page.evaluate(f"code => {KERNEL}.requestExecute({{code}}).done.then(() => null)", code)


@contextmanager
def at_work(page):
    """The kernel of the lesson has its hands full with what is done inside."""
    code = "import time\ntry:\n    time.sleep(600)\nexcept KeyboardInterrupt:\n    pass"
    page.evaluate(f"code => {{ {KERNEL}.requestExecute({{code}}) }}", code)
    page.wait_for_function("busy > 0")
    yield
    page.evaluate(f"{KERNEL}.interrupt()")
    settle(page)


def add_cell(page, code):
    """Put a cell below the last one of the lesson, and run it."""
    page.evaluate(ADD, code)
    settle(page)


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
    """The outermost box of the explorer, not of a film, that holds an element of this CSS class."""
    inner = page.locator(marker)
    return page.locator(".jp-OutputArea-output > .widget-vbox:not(:has(.widget-play))", has=inner).first
