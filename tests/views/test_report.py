"""The page: a verdict first, pictures, pairs to search and sort; hostile text stays text."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hand_made import summarise
from test_summary import CHOSEN, REJECTED

from dpoq_lab.diagnosis import diagnose
from dpoq_lab.run_logs import Log
from dpoq_lab.token_file import ScoredRow
from dpoq_lab.views import report
from dpoq_lab.views.pair_pictures import along, plane
from dpoq_lab.views.summary_view import numbers_table
from dpoq_lab.views.tables import Table
from dpoq_lab.views.verdict import verdict, verdict_lines

HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
LOG = Log(
    [{"step": float(k), "loss": 0.6, "chosen": -0.1 * k, "rejected": -0.4 * k} for k in range(24)], None
)


def renamed(scores, text):
    return replace(scores, response=replace(scores.response, text=text[: len(scores.response.ids)]))


def page_of(log=None):
    """Three pairs, the second of them ranked wrong, the third hostile in prompt, text, place and models."""
    sides = [(CHOSEN, REJECTED), (REJECTED, CHOSEN), (renamed(CHOSEN, "</b>x"), renamed(REJECTED, "<i>y"))]
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
    order = [
        page.index(part) for part in ("<h1>", "What to do", "<figure", 'class="dpoq-pair"', "<h2>Numbers")
    ]
    assert order == sorted(order)
    assert page.count("<figure") == 3
    assert page_of()[0].count("<figure") == 2  # without a log no curves


def test_hostile_text_is_text_wherever_it_stands():
    page, _ = page_of(LOG)
    assert "<img" not in page
    assert "<script" not in page
    assert "<i>y" not in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") >= 4


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
    assert list(data["ranked right"].x) == [3.1, 3.1]
    assert np.ravel(data["wrong"].seeds).tolist() == [3.1]
    assert list(data["text of pi_ref"].x) == [0.0]
    run = data["the run"]
    assert (run.x[0], run.y[0], len(run.x)) == (0.0, 0.0, 13)  # from its first record, here 0
    tokens = summary["facts"]["chosen_tokens"]
    assert run.x[-1] == pytest.approx(-0.1 * 22.5 / 0.1 / tokens)  # the mean of the last two records


def test_the_reward_along_the_reply_names_its_lowest_place():
    _, summary = page_of()
    found = along(summary["along"])
    assert found.reading == "The lowest mean reward is \u22120.13 nats, at token 4 of the rejected replies."
    assert list(found.data["chosen"].y)[0] == pytest.approx(0.1 * (0.5 - 0.25 + 0.5) / 3)


def test_where_nothing_speaks_the_page_says_so():
    found = verdict(diagnose({}))
    assert found.startswith('<section class="dpoq-verdicts"><h1>Cannot tell</h1>')
    assert "Not tested: " in found
    assert verdict_lines(diagnose({}))[0].startswith("can't tell: ")


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_in_a_real_browser(width, scheme, tmp_path):
    """It asks for nothing, runs nothing of a reply, fits a phone, finds, sorts, walks by arrows."""
    from lab_browser import CHROMIUM, FLAGS
    from playwright.sync_api import sync_playwright

    (tmp_path / "report.html").write_text(page_of(LOG)[0], encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        asked, alarms = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", lambda dialog: (alarms.append(dialog.message), dialog.dismiss()))
        page.goto((tmp_path / "report.html").as_uri())
        shown = "ps => ps.filter(p => !p.hidden).map(p => +p.dataset.number)"
        page.get_by_label("Find").fill("GREEN")
        assert page.eval_on_selector_all(".dpoq-pair", shown) == [1]
        page.get_by_label("Find").fill("")
        page.get_by_label("Order").select_option("wrong")
        assert page.eval_on_selector_all(".dpoq-pair", shown) == [1, 0, 2]
        token = page.locator(".dpoq-strip [role=option]").first
        token.click()
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.getAttribute('role')") == "option"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == {"dark": "rgb(17, 17, 17)", "light": "rgb(255, 255, 255)"}[scheme]
        assert [url.partition(":")[0] for url in asked] == ["file"]
        assert alarms == []
        browser.close()
