"""The claims map is true: its cells, tests and figures are there, and the page is what they say."""

import ast
import json
from collections import Counter

import pytest

from dpoq_lab.intervals import plus_minus
from dpoq_lab.lessons.claims import STATES, claims, figure_of, page
from dpoq_lab.lessons.l07_search.figures import drop_figure
from dpoq_lab.lessons.l08_reference_policy.study import RULES, mostly_right
from dpoq_lab.lessons.study import stored_record
from dpoq_lab.paths import data_folder, kit_folder

CLAIMS, WITHOUT = claims()
NAMED = pytest.mark.parametrize("claim", CLAIMS, ids=[claim["says"][:50] for claim in CLAIMS])


@NAMED
def test_its_cell_is_in_its_lesson_and_runs(claim):
    lesson, cell = claim["cell"].split("/")
    [path] = (kit_folder() / "notebooks").glob(f"{lesson}_*.ipynb")
    cells = {c["id"]: c for c in json.loads(path.read_text(encoding="utf-8"))["cells"]}
    assert cells[cell]["cell_type"] == "code"
    assert "".join(cells[cell]["source"]).strip()


@NAMED
def test_its_test_is_there(claim):
    file, name = claim["test"].split("::")
    tree = ast.parse((kit_folder() / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@NAMED
def test_its_state_is_one_of_four_and_a_measured_one_says_over_what(claim):
    assert claim["state"] in STATES
    assert claim["tolerance"]
    if claim["state"] == "shown exactly":
        assert float(claim["tolerance"]) <= 1e-4
    assert ("figure" not in claim) or "±" in figure_of(claim)
    assert bool(claim.get("reason")) == (claim["state"] == "open")


def test_the_reasons_say_what_the_records_do():
    beams, sign = (claim["reason"] for claim in CLAIMS if claim["state"] == "open")
    drops = drop_figure(stored_record("order-notes-search", "search")["underfitted"]).data
    for beta in (0.1, 0.5):
        found = drops[f"DPO, beta {beta} less SFT"]["drop"]
        assert f"{plus_minus(found, '+')} at" in beams
    table = stored_record("order-notes-reference", "reference")["table"]
    right = {name: mostly_right(table, rule) for name, rule in RULES.items()}
    assert f"more than {max(right.values())} of the {len(table)} runs" in sign
    assert f"(always below 0) in {right['always below 0']}" in sign


def test_the_page_is_what_the_claims_say():
    assert (data_folder() / "claims.md").read_text(encoding="utf-8") == page()


def test_no_claim_stands_twice_and_every_state_occurs():
    assert max(Counter(claim["says"] for claim in CLAIMS).values()) == 1
    assert {claim["state"] for claim in CLAIMS} == set(STATES)
    assert all(WITHOUT.values())
