"""Each lesson in JupyterLab, in a real browser, with its widgets moved by mouse and keyboard.

`DPOQ_SCREENSHOTS=FOLDER` keeps pictures of what was seen. A lesson is run but never saved.
"""

import re
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="needs the extra `browser`")

from drive_explorers import EXPLORERS, undrawn, unmoved
from lab_browser import (
    CHROMIUM,
    STEP,
    TOKEN,
    TOLERATED,
    Lesson,
    at_work,
    changes,
    drag,
    execute,
    expect,
    fresh_page,
    opened,
    request,
    running_browser,
    running_lab,
    settle,
    throttle,
    wait_until_open,
    widget,
)

from dpoq_lab.paths import kit_folder

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).is_file(), reason="needs Debian's chromium"),
]

# What is badly laid out: tokens whose number is not under them, outputs that need scrolling sideways
BESIDE = """tokens => tokens.filter(({children: [text, number]}) =>
    number.getBoundingClientRect().top < text.getBoundingClientRect().bottom - 1).map(t => t.innerText)"""
WIDE = "outputs => outputs.filter(o => o.scrollWidth > o.clientWidth + 1).map(o => o.innerText.slice(0, 80))"
# What cannot be read in a picture: text beyond its border, text on text, text of less than 13 pixels
ILLEGIBLE = """pictures => pictures.flatMap(picture => {
    const border = picture.getBoundingClientRect();
    const texts = [...picture.querySelectorAll('text')].filter(text => text.textContent.trim());
    const boxes = texts.map(text => text.getBoundingClientRect());
    const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 3 &&
        Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 6;
    return texts.flatMap((text, i) => [
        ...(boxes[i].left < border.left - 1 || boxes[i].right > border.right + 1 ||
            boxes[i].top < border.top - 1 || boxes[i].bottom > border.bottom + 1
            ? [`beyond the border: ${text.textContent}`] : []),
        ...(parseFloat(getComputedStyle(text).fontSize) < 13 ? [`small: ${text.textContent}`] : []),
        ...texts.slice(0, i).filter((_, j) => over(boxes[i], boxes[j]))
            .map(other => `on one another: ${text.textContent} | ${other.textContent}`),
    ]);
})"""
# Pictures without alt text or without a reading, and whatever is drawn by another hand
UNREAD = """outputs => outputs.flatMap(output => [...output.querySelectorAll('svg, canvas, img, iframe')])
    .filter(picture => !picture.closest('button, .jp-Collapser, .jp-OutputPrompt') &&
        !(picture.matches('figure.dpoq-figure > svg[role="img"][aria-label]') &&
          picture.parentElement.querySelector('.dpoq-reading')?.textContent.trim()))
    .map(picture => picture.outerHTML.slice(0, 200))"""
SLOW = 6  # as much as this machine is slowed down, a reader's may be
# An explorer as it should be; the tests break it in one place each
DRAWN = """<div class="jp-OutputArea-output"><div class="widget-vbox">
<div class="widget-dropdown"><select><option>one</option></select></div>
<div class="widget-slider"><div class="noUi-handle" style="height:9px"></div></div>
<div class="widget-html-content"><figure class="dpoq-figure">
<svg role="img" aria-label="A curve"><path class="dpoq-line" d="M0 0 L9 9"/></svg>
<figcaption class="dpoq-reading">It falls.</figcaption></figure></div>
<div class="widget-html-content"><div class="dpoq-strip"><span class="dpoq-token">no</span></div></div>
</div></div>"""
PAYLOAD = '</script><img src=x onerror="window.hacked=1"><b>bold</b>'
ERRORS = '[data-mime-type$="vnd.jupyter.stderr"], [data-mime-type$="vnd.jupyter.error"]'


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab started as `dpoq-lab` starts it, with settings of its own."""
    with running_lab(tmp_path_factory.mktemp("jupyter")) as url:
        yield url


@pytest.fixture(scope="module")
def browser():
    with running_browser() as chromium:
        yield chromium


def assert_clean(lesson):
    """Every cell ran, none with an error; outputs are laid out well; the page kept to itself."""
    settle(lesson.page)
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
    assert lesson.page.locator(".dpoq-figure > svg").evaluate_all(ILLEGIBLE) == []
    assert lesson.page.locator(".jp-OutputArea-output").evaluate_all(UNREAD) == []
    assert lesson.problems == []
    assert lesson.strangers == []


def play_and_predict(lesson):
    """The film plays while a cell is at work, and a prediction is taken down where it is judged."""
    film = lesson.page.locator(".jp-OutputArea-output > .widget-vbox:has(.widget-play)").first
    with at_work(lesson.page), changes(film.locator(".dpoq-reading")):
        film.locator(".widget-play button").first.click()
    option = lesson.page.locator(".widget-vbox:has(.dpoq-question) .widget-toggle-buttons button").first
    verdict = lesson.page.locator(".dpoq-verdict").first
    expect(verdict).to_contain_text("not predicted yet", timeout=STEP * 1000)
    option.click()
    expect(verdict).to_contain_text(f"You predicted: {option.inner_text()}", timeout=STEP * 1000)


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
    reading = explorer.locator(".dpoq-reading")
    for name, label, share in (("beta", "beta", 0.6), ("d (nats)", "d", 0.2)):
        value = drag(explorer.locator(".widget-slider", has_text=name), share)
        number = f"{value:+.1f}" if label == "d" else f"{value:.2f}"
        expect(reading).to_contain_text(f"{label} {number}", timeout=STEP * 1000)
    figure = lesson.page.locator(".dpoq-figure", has_text="margin").first  # the first half's
    assert {"chosen", "rejected", "margin"} <= set(figure.locator("text").all_text_contents())
    curves = figure.locator(".dpoq-line")
    expect(curves).to_have_count(3)
    for path in curves.all():
        assert path.get_attribute("d").count("L") >= 3, "a curve without points"
    lesson.shoot("moved")


def move_tokens(lesson):
    """Lesson 06: choose tokens by mouse and key, move beta, choose another pair, edit a reply."""
    explorer = widget(lesson.page, ".dpoq-picker")
    tokens = explorer.locator('[aria-label^="rejected"] [role="option"]')
    named = explorer.locator(".dpoq-detail > b")
    tokens.nth(1).click()  # before, no token is chosen
    expect(named).to_have_text(tokens.nth(1).locator(".t").inner_text(), timeout=STEP * 1000)
    for index, act in ((3, tokens.nth(3).click), (4, lambda: lesson.page.keyboard.press("ArrowRight"))):
        with changes(explorer.locator(".dpoq-detail")):
            act()
        expect(named).to_have_text(tokens.nth(index).locator(".t").inner_text(), timeout=STEP * 1000)
        expect(tokens.nth(index)).to_be_focused()
        expect(tokens.nth(index)).to_have_attribute("aria-selected", "true")
    walk_rows(lesson.page, tokens)
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


def walk_rows(page, tokens):
    """Down and Up move between the rows of the strip, along one column, and never leave it."""
    tokens.first.click()
    tops = [first_row := top_of(tokens.first)]
    for key, beyond in (("ArrowDown", 9), ("ArrowUp", 9)):
        for _ in range(beyond):
            page.keyboard.press(key)
            tops.append(top_of(page.locator(".dpoq-token:focus")))
    down, up = tops[:10], tops[9:]
    assert down == sorted(down)
    assert len(set(down)) >= 2
    assert up == sorted(up, reverse=True)
    assert up[-1] == first_row
    expect(tokens.first).to_be_focused()


def top_of(element):
    return round(element.bounding_box()["y"])


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
    said = explorer.locator(".widget-html-content:visible")
    for slider in explorer.locator(".widget-slider").all():
        with changes(said):
            drag(slider, 0.8)
    for choice in explorer.locator(".widget-dropdown select").all():
        other = 0 if choice.evaluate("select => select.selectedIndex") == 1 else 1
        with changes(said):
            choice.select_option(index=other)
    lesson.shoot("moved")


def move_search(lesson):
    """Lesson 07: the trees grow by the step, and one search changes with its width and its policy."""
    explorer = widget(lesson.page, ".widget-dropdown")
    drawn = explorer.locator(".dpoq-figure text")
    sliders = explorer.locator(".widget-slider")
    with changes(drawn):
        drag(sliders.filter(has_text="step"), 0.3)
    with changes(drawn):
        drag(sliders.filter(has_text="width").first, 0.7)
    with changes(explorer.locator(".widget-html-content:visible")):
        explorer.locator("select").last.select_option(label="SFT")
    lesson.shoot("moved")


def move_reference(lesson):
    """Lesson 08: stored runs change curves and reading; a live run starts, stops and goes on."""
    explorer = widget(lesson.page, ".widget-dropdown")
    reading = explorer.locator(".widget-html-content:visible").first
    with changes(reading), changes(explorer.locator(".dpoq-figure text")):
        explorer.locator("select").first.select_option(index=2)
    with changes(explorer.locator(".dpoq-figure text")):
        explorer.get_by_role("button", name="log pi").click()
    explorer.locator("select").nth(1).select_option(label="SFT")
    explorer.get_by_role("button", name="Train").click()
    expect(reading).to_contain_text("Live: step", timeout=STEP * 1000)
    explorer.get_by_role("button", name="Stop").click()
    expect(reading).to_contain_text(re.compile("Stopped|step 10 of 10"), timeout=STEP * 1000)
    lesson.shoot("live")
    explorer.get_by_role("button", name="Train").click()
    expect(reading).to_contain_text("Live:", timeout=STEP * 1000)
    with changes(explorer.locator(".dpoq-figure text")):
        explorer.locator("select").first.select_option(index=1)
        explorer.get_by_role("button", name="KL").click()


def move_chains(lesson):
    """Lesson 10: a step is mended, repair moves the blame, a second step of a walk is made wrong."""
    chain = widget(lesson.page, ".widget-slider")
    said = chain.locator(".dpoq-reading")
    with changes(said):
        drag(chain.locator(".widget-slider").first, 0.6)
    with changes(said):
        chain.locator(".widget-toggle-button").first.click()
    walk = widget(lesson.page, ".widget-dropdown")
    with changes(walk.locator(".dpoq-reading")):
        walk.locator("select").nth(4).select_option(index=1)
    with changes(walk.locator(".dpoq-figure text")):
        walk.locator("select").nth(1).select_option(label="shuffled labels")
    lesson.shoot("moved")


def move_dialogue(lesson):
    """Lesson 11: the point on the map moves, other labels are drawn, and the user gives another answer."""
    asking = widget(lesson.page, ".widget-slider")
    with changes(asking.locator(".dpoq-reading")):
        drag(asking.locator(".widget-slider").first, 0.3)
    with changes(asking.locator(".dpoq-figure text")):
        asking.locator("select").first.select_option(label="regret")
    talk = widget(lesson.page, 'option:has-text("the opposite")')
    with changes(talk.locator(".dpoq-figure text")):
        talk.locator("select").first.select_option(label="luck in the margin")
    with changes(talk.locator(".dpoq-reading")):
        talk.locator("select").nth(3).select_option(label="the opposite")
    lesson.shoot("moved")


def move_desk(lesson):
    """Lesson 12: the tool gets busier, the words are masked, an episode of another policy is put together."""
    desk = widget(lesson.page, ".widget-slider")
    with changes(desk.locator(".dpoq-reading")):
        drag(desk.locator(".widget-slider").first, 0.95)
    with changes(desk.locator(".dpoq-figure text")):
        desk.locator("select").first.select_option(label="DPO, masked")
    episode = widget(lesson.page, 'option:has-text("is busy")')
    with changes(episode.locator(".dpoq-reading")):
        episode.locator("select").nth(3).select_option(label="is busy")
    with changes(episode.locator(".dpoq-figure text")):
        episode.locator("select").first.select_option(label="DPO, unmasked")
    lesson.shoot("moved")


def move_systems(lesson):
    """Lesson 13: a weight is moved in the game, another system is drawn, and another prompt is typed."""
    game = widget(lesson.page, ".widget-slider")
    with changes(game.locator(".dpoq-reading")):
        drag(game.locator(".widget-slider").nth(1), 0.6)
    prompts = widget(lesson.page, ".widget-text")
    with changes(prompts.locator(".dpoq-reading")):
        prompts.locator("select").first.select_option(index=1)
    with changes(prompts.locator(".dpoq-figure text")):
        prompts.locator("input[type=text]").first.fill("moon at sunrise")
        prompts.locator("input[type=text]").first.press("Enter")
    lesson.shoot("moved")


def move_runs(lesson):
    """Lesson 14: another run, its curves, and a guess that opens the answer."""
    explorer = widget(lesson.page, 'option:has-text("not yet")')
    with changes(explorer.locator(".dpoq-reading")):
        explorer.locator("select").nth(0).select_option(label="C")
    with changes(explorer.locator(".dpoq-reading")):
        explorer.locator("select").nth(1).select_option(label="curves")
    with changes(explorer.locator(".dpoq-reading")):
        explorer.locator("select").nth(2).select_option(label="too much pressure")
    expect(explorer.locator(".dpoq-reading")).to_contain_text("Planted in C")
    lesson.shoot("moved")


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
    "10_reasoning": move_chains,
    "11_multi_turn_dialogue": move_dialogue,
    "12_agents": move_desk,
    "13_multi_model_systems": move_systems,
    "14_your_own_model": move_runs,
}


@pytest.mark.parametrize("name", MOVES)
def test_a_lesson_runs_and_its_widgets_move(name, lab, browser):
    """Opened on a slow machine, where every explorer is drawn; moved on a fast one; moved on a slow one."""
    notebook = kit_folder() / "notebooks" / f"{name}.ipynb"
    before = notebook.read_bytes()
    with opened(browser, lab, name, SLOW) as lesson:
        settle(lesson.page)
        assert undrawn(lesson) == []
        throttle(lesson.page, 1)
        lesson.shoot("run")
        assert_clean(lesson)
        play_and_predict(lesson)
        MOVES[name](lesson)
        assert_clean(lesson)
        throttle(lesson.page, SLOW)
        assert unmoved(lesson) == []
    assert notebook.read_bytes() == before


def test_every_lesson_with_an_explorer_is_opened():
    assert set(MOVES) == set(EXPLORERS)


@pytest.mark.parametrize(
    ("part", "broken", "found"),
    [
        ("", "", []),
        ("widget-vbox", "spinner", ["0 explorers in the page, not 1"]),
        ("svg", "img", ["LossExplorer: no svg It falls."]),
        ("dpoq-line", "axis", ["LossExplorer: empty figure A curve"]),
        ("L9 9", "", ["LossExplorer: empty figure A curve"]),
        ("L9 9", "L9 9 L18 nan", ["LossExplorer: drawn at no number"]),
        ('class="dpoq-figure"', "hidden class='dpoq-figure'", ["LossExplorer: no svg It falls."]),
        ("It falls.", " ", ["LossExplorer: no text"]),
        ("dpoq-token", "token", ["LossExplorer: no tokens no"]),
        ("<option>one</option>", "", ["LossExplorer: no options"]),
        ("noUi-handle", "lost", ["LossExplorer: no handle"]),
    ],
)
def test_an_explorer_that_is_not_drawn_is_found(part, broken, found, browser, monkeypatch):
    monkeypatch.setitem(EXPLORERS, "05_train_dpo", ["LossExplorer"])
    page = browser.new_page()
    page.set_content(DRAWN.replace(part, broken) if part else DRAWN)
    assert undrawn(Lesson("05_train_dpo", page), patience=0)[: len(found) or 1] == found
    page.close()


def test_the_lab_opens_on_lesson_00_alone(lab, browser):
    """No question about news, no other message, and the file browser is folded away."""
    with fresh_page(browser, lab, "00_start_here") as lesson:
        page = lesson.page
        page.goto(f"{lab}/?token={TOKEN}")
        wait_until_open(lesson)
        expect(page.locator(".jp-CodeCell").first).to_be_visible(timeout=STEP * 1000)
        page.wait_for_timeout(3000)  # JupyterLab asks about news a moment after it has opened
        messages = page.locator(".Toastify__toast").all_text_contents()
        assert (messages, page.locator("#jp-left-stack").is_hidden()) == ([], True)


@pytest.mark.parametrize("token", [None, "another-token"])
def test_the_lab_asks_for_its_token(token, lab):
    assert request(f"{lab}/api/contents", token)[0] == 403
    status, url, _ = request(f"{lab}/lab/tree/notebooks/00_start_here.ipynb", token)
    assert status != 200 or "/login" in url
    assert request(f"{lab}/api/contents", TOKEN)[0] == 200
