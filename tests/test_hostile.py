"""Malformed inputs, a few of each kind (`python tests/hostile_inputs.py` tries all), and hostile words."""

from html.parser import HTMLParser

import pytest
from hostile.judge import make_beside, tried
from hostile_explorers import blame, order_notes, own_runs, prompt, proxy, search, stored_run
from hostile_inputs import all_cases

pytestmark = pytest.mark.filterwarnings("ignore")
EACH = 12  # of the cases of a kind one in so many
CASES = {}
for each in all_cases():
    if not each.slow:
        CASES.setdefault(each.kind, []).append(each)


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    root = tmp_path_factory.mktemp("hostile")
    make_beside(root, adapter=False)
    return root


def test_there_are_enough_of_each_kind():
    assert len(all_cases()) >= 400
    assert len({(case.kind, case.name) for case in all_cases()}) == len(all_cases())
    assert all(len(cases) >= 15 for cases in CASES.values())


@pytest.mark.parametrize("kind", CASES)
def test_inputs_of_a_kind_are_handled(kind, beside):
    failed = {case.name: found for case in CASES[kind][::EACH] if (found := tried(case, beside))}
    assert failed == {}


class Tags(HTMLParser):
    """The tags that a page really has."""

    def __init__(self):
        super().__init__()
        self.found = set()

    def handle_starttag(self, tag, attrs):
        self.found.add(tag)


@pytest.mark.parametrize("shown", [stored_run, blame, order_notes, search, proxy, prompt, own_runs])
def test_no_explorer_makes_a_tag_of_a_word(shown):
    words = [f"<{tag} onerror=x>'\"&lt;" for tag in ("img", "script", "iframe", "meta", "form", "math")]
    page = Tags()
    page.feed("".join(shown(words)))
    assert not page.found & {"img", "script", "iframe", "meta", "form", "math"}
    assert page.found, "it shows something"


@pytest.mark.browser
def test_no_hostile_string_runs_in_a_real_browser(capsys):
    import hostile_views  # needs the browser's driver

    assert hostile_views.main() == 0, capsys.readouterr().out
