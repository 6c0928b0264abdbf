"""The paper's claims: where each is shown, how exactly, and how it came out.

`data/claims.toml` has them; `python -m dpoq_lab.lessons.claims` writes the page `data/claims.md`. A claim
names a cell ('NN/cell id'), a test ('file::name'), a tolerance, its state, the reason if that is `open`, and
perhaps a figure: run, record and the keys to a row over seeds. A test follows them all.
"""

import tomllib
from functools import reduce

from dpoq_lab.intervals import plus_minus
from dpoq_lab.lessons.study import stored_record
from dpoq_lab.paths import data_folder

STATES = ("shown exactly", "measured here", "disagrees", "open")
HEAD = """# The paper's claims, one by one

Written by `python -m dpoq_lab.lessons.claims`; a test follows every cell, test and figure. Figures are means
with the half-width of their 95% interval over seeds, from the records in `data/runs`.

| claim | in the paper | lesson and cell | test | tolerance | state | figure |
|---|---|---|---|---|---|---|
"""


def claims() -> tuple[list[dict], dict[str, str]]:
    """All claims, and what has no cell, with the reason."""
    found = tomllib.loads((data_folder() / "claims.toml").read_text(encoding="utf-8"))
    return found["claim"], found["without_a_cell"]


def figure_of(claim: dict) -> str:
    """The stored figure of a claim, or nothing. KeyError: it is gone."""
    if "figure" not in claim:
        return ""
    run, record, *keys = claim["figure"]
    return plus_minus(reduce(lambda part, key: part[key], keys, stored_record(run, record)))


def page() -> str:
    """The claims map as Markdown."""
    known, missing = claims()
    rows = [
        (c["says"], c["source"], f"`{c['cell']}`", f"`{c['test']}`", c["tolerance"], c["state"], figure_of(c))
        for c in known
    ]
    lines = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    reasons = {c["says"]: c["reason"] for c in known if c["state"] == "open"}
    return f"{HEAD}{lines}\nOpen:\n\n{_listed(reasons)}\nWithout a cell:\n\n{_listed(missing)}"


def _listed(reasons: dict[str, str]) -> str:
    """A line for each thing and its reason."""
    return "".join(f"- {what}: {why}.\n" for what, why in reasons.items())


if __name__ == "__main__":
    (data_folder() / "claims.md").write_text(page(), encoding="utf-8")
