"""The page: a verdict first, pictures, pairs to search and sort; hostile text stays text."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hand_made import summarise
from test_summary import CHOSEN, REJECTED

from dpoq_lab.runs.diagnosis import diagnose
from dpoq_lab.runs.logs import Log
from dpoq_lab.runs.token_file import ScoredRow
from dpoq_lab.views import report
from dpoq_lab.views.pair_pictures import along, plane
from dpoq_lab.views.summary_view import SMALLEST, numbers_table, worst_table
from dpoq_lab.views.tables import Table
from dpoq_lab.views.verdict import verdict, verdict_lines

HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
LOG = Log(
    [{"step": float(k), "loss": 0.6, "chosen": -0.1 * k, "rejected": -0.4 * k} for k in range(24)],
    Path("runs/<b>log.csv"),
)


def renamed(scores, text):
    return replace(scores, response=replace(scores.response, text=text[: len(scores.response.ids)]))


def page_of(log=None):
    """Three pairs, the second of them ranked wrong, the third hostile in prompt, text, place and models."""
    first = renamed(CHOSEN, "is\n a"), REJECTED
    sides = [first, (REJECTED, CHOSEN), (renamed(CHOSEN, "</b>x"), renamed(REJECTED, "<i>y"))]
    prompts = ["say blue", "say green", HOSTILE]
    rows = [ScoredRow(f"{p}:{k}", p, both) for k, (p, both) in enumerate(zip(prompts, sides, strict=True))]
    head = {"policy": HOSTILE, "reference": "base", "source": HOSTILE, "truncated": 1}
    summary = head | summarise(sides, beta=0.1)
    summary["worst_pairs"][0]["where"] = HOSTILE
    summary["steepest_tokens"] = [
        {
            "pair": 0,
            "role": "chosen",
            "at": 0,
            "token": HOSTILE,
            "log_ratio": 1.0,
            "gained": [[HOSTILE, 0, 1]],
            "lost": [],
        }
    ]
    found = diagnose(summary["facts"])
    return report.report(summary, list(enumerate(rows)), found, log), summary


def test_the_verdict_comes_before_every_number_and_picture():
    page, _ = page_of(LOG)
    parts = ("<h1>", "What to do", "logged reward", "The plane", 'class="dpoq-pair"', '<h2 id="numbers">')
    order = [page.index(part) for part in parts]
    assert order == sorted(order)
    assert page.count("<figure") == 3
    assert page_of()[0].count("<figure") == 2  # without a log no curves


def test_each_picture_of_the_page_is_there_for_a_phone_too():
    sizes = re.findall(r'<svg [^>]*?width="(\d+)" height="(\d+)"', page_of(LOG)[0])
    wide = [("760", "340"), ("620", "400"), ("760", "300")]
    assert sizes == [size for width, height in wide for size in ((width, height), ("380", height))]


def test_hostile_text_is_text_wherever_it_stands():
    page, _ = page_of(LOG)
    assert "<img" not in page
    assert "<script" not in page
    assert "<i>y" not in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") >= 4


def test_what_the_page_is_about_stands_below_the_verdict():
    page, summary = page_of(LOG)
    about = page.partition('<p class="dpoq-about">')[2].partition("</p>")[0]
    assert about.startswith("Run runs/&lt;b&gt;log.csv; policy &quot;&gt;&lt;img")
    assert "reference base, pairs " in about
    assert page.index(about) < page.index("<figure")
    assert "log.csv" in report.curves_page(diagnose({}), LOG)


def test_a_run_of_another_reference_is_not_laid_over_what_is_scored_here():
    _, summary = page_of(LOG)
    starts = {"loss_start": 0.5, "chosen_start": 9.0, "rejected_start": 4.0}
    apart, alike = (
        report.report(summary, [], diagnose(summary["facts"] | more), LOG) for more in (starts, {})
    )
    assert "run ends" in alike
    assert "run ends" not in apart
    assert "scored against the reference named here (base) without dropout" in apart
    assert "named here" not in alike


def test_a_margin_that_rounds_to_zero_shows_its_sign():
    row = {"pair": 0, "where": "a", "margin": -0.0023}
    table = worst_table([row])
    assert table.rows[1][2] == "\u22120.0023"
    assert SMALLEST in table.caption
    assert f">{SMALLEST}</option>" in page_of()[0]


def test_pairs_carry_what_they_are_sorted_by():
    page, _ = page_of()
    found = re.findall(r'data-number="(\d)" data-margin="([-\d.]+)" data-wrong="([-\d.]+)"', page)
    assert [(int(n), float(m), float(w)) for n, m, w in found] == [
        (0, 2.275, pytest.approx(2.275 / 9)),
        (1, -2.275, pytest.approx(-2.275 / 9)),
        (2, 2.275, pytest.approx(2.275 / 9)),
    ]


def test_every_number_has_a_meaning_to_point_at():
    page, summary = page_of()
    table = numbers_table(summary)
    assert {row[0] for row in table.rows[1:]} <= set(table.meanings)
    assert page.count('<abbr class="dpoq-what" tabindex="0"') > 20
    shown = Table([("a", "b"), ("x", "1")], meanings={"x": HOSTILE}).html()
    assert "<img" not in shown
    assert 'title="&quot;&gt;&lt;img' in shown


def test_the_plane_has_a_dot_a_pair_a_cross_and_the_path_of_the_run():
    """Chosen of the three pairs: 15.5 nats of 5 tokens, -7.25 of 4, 15.5 of 5; rejected turned."""
    _, summary = page_of()
    data = plane(summary, LOG).data
    assert data["ends of the run"].tags == ("run starts", "run ends")
    assert [data["ends of the run"].x[i] for i in (0, 1)] == [data["the run"].x[i] for i in (0, -1)]
    even = data["chosen = rejected"]
    assert list(even.x) == list(even.y)
    assert list(data["ranked right"].x) == [3.1, 3.1]
    assert np.ravel(data["wrong"].seeds).tolist() == [3.1]
    assert list(data["text of pi_ref"].x) == [0.0]
    run = data["the run"]
    assert (run.x[0], run.y[0], len(run.x)) == (0.0, 0.0, 13)  # from its first record, here 0
    tokens = summary["facts"]["chosen_tokens"]
    assert run.x[-1] == pytest.approx(-0.1 * 22.5 / 0.1 / tokens)  # the mean of the last two records


def test_a_pair_is_wrong_by_its_summed_margin():
    """A chosen reply of twice the length falls less a token and more in sum."""
    _, summary = page_of()
    data = plane(summary | {"plane": [[-0.3, -0.5, -0.1], [-0.5, -0.3, 0.1]]}).data
    assert list(data["wrong"].x) == [-0.3]
    assert list(data["ranked right"].x) == [-0.5]


def test_the_reward_along_the_reply_names_its_lowest_place():
    _, summary = page_of()
    found = along(summary)
    lowest = "The lowest mean reward is \u22120.13 nats, at token 4 of the rejected replies."
    assert found.reading.startswith(f"{lowest} Drawn as far as a tenth of the replies reach")
    assert list(found.data["half reach this far"].x) == list(summary["half_reach"].values()) == [5, 4]
    assert list(found.data["chosen"].y)[0] == pytest.approx(0.1 * (0.5 - 0.25 + 0.5) / 3)


def test_where_nothing_speaks_the_page_says_so():
    found = verdict(diagnose({}))
    assert found.startswith('<section class="dpoq-verdicts"><h1>Cannot tell</h1>')
    assert "Not tested: " in found
    assert verdict_lines(diagnose({}))[0].startswith("can't tell: ")


@pytest.fixture
def browser():
    from lab_browser import CHROMIUM, FLAGS
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Open the page in a window of a width, at the pairs."""

    def open_page(width, **options):
        (tmp_path / "report.html").write_text(page_of(LOG)[0], encoding="utf-8")
        page = browser.new_page(viewport={"width": width, "height": 800}, **options)
        page.goto((tmp_path / "report.html").as_uri())
        return page

    return open_page


SHOWN = "ps => ps.filter(p => !p.hidden).map(p => +p.dataset.number)"


@pytest.mark.browser
@pytest.mark.parametrize(
    ("asked", "found", "said"),
    [
        ("GREEN", [1], "1 of 3"),
        ("is a", [0], "1 of 3"),  # over tokens, and over a line's end
        ("margin -2.", [1], "1 of 3"),  # as people type it, where the page has a minus
        ("quartz", [], "none found"),
        ("", [0, 1, 2], ""),
    ],
)
def test_find_reads_replies_and_says_how_many(opened, asked, found, said):
    page = opened(1280)
    page.get_by_label("Find").fill(asked)
    assert page.eval_on_selector_all(".dpoq-pair", SHOWN) == found
    assert page.locator("#found[aria-live]").inner_text() == said


@pytest.mark.browser
def test_keys_walk_from_one_reply_of_a_pair_to_the_other_and_each_is_one_tab_stop(opened):
    page = opened(1280)
    strips = page.locator(".dpoq-pair").first.locator(".dpoq-strip")
    place = """() => [...document.querySelectorAll('.dpoq-strip')].flatMap((strip, s) =>
        [...strip.children].flatMap((t, i) => t === document.activeElement ? [[s, i]] : []))[0]"""
    strips.nth(0).locator("[role=option]").nth(1).click()
    for key, where in (
        ("ArrowDown", [1, 1]),
        ("ArrowRight", [1, 2]),
        ("ArrowUp", [0, 2]),
        ("ArrowUp", [0, 2]),
    ):
        page.keyboard.press(key)
        assert page.evaluate(place) == where
    stops = page.locator(".dpoq-strip").evaluate_all(
        "all => all.map(s => s.querySelectorAll('[tabindex=\"0\"]').length)"
    )
    assert set(stops) == {1}
    assert page.locator("[aria-selected=true]").count() == 1


@pytest.mark.browser
def test_the_size_for_presenting_keeps_the_place(opened):
    page = opened(1280)
    switch = page.get_by_role("button", name="larger")
    switch.scroll_into_view_if_needed()
    before = switch.bounding_box()["y"]
    for _ in range(2):
        switch.click()
        assert abs(switch.bounding_box()["y"] - before) < 3


@pytest.mark.browser
def test_a_phone_gets_figures_that_fit_and_letters_of_11_pixels(opened):
    scale = """all => all.filter(s => s.checkVisibility()).map(s => {
        const at = s.getBoundingClientRect();
        return [at.right, 13 * at.width / s.viewBox.baseVal.width]})"""
    for width in (390, 700, 1280):
        drawn = opened(width).locator(".dpoq-figure > svg").evaluate_all(scale)
        assert len(drawn) == 3
        assert all(right <= width and letters >= 11 for right, letters in drawn)


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_in_a_real_browser(width, scheme, opened):
    """It asks for nothing, runs nothing of a reply, fits a phone, sorts, walks by arrows."""
    page = opened(width, color_scheme=scheme)
    asked, alarms = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: (alarms.append(dialog.message), dialog.dismiss()))
    page.reload()
    page.get_by_label("Order").select_option("wrong")
    assert page.eval_on_selector_all(".dpoq-pair", SHOWN) == [1, 0, 2]
    token = page.locator(".dpoq-strip [role=option]").first
    token.click()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "option"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"dark": "rgb(17, 17, 17)", "light": "rgb(255, 255, 255)"}[scheme]
    assert [url.partition(":")[0] for url in asked] == ["file"]
    assert alarms == []
