"""Malformed inputs: a few of each kind; `python tests/hostile_inputs.py` tries all."""

import pytest
from hostile.judge import make_beside, tried
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
