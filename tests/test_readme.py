"""The README's two commands are the ones that CI runs, and its figures those of the stored records."""

import re

from dpoq_lab.intervals import contrast, over_seeds, plus_minus
from dpoq_lab.lessons.l07_search.study import drop
from dpoq_lab.lessons.study import stored_record
from dpoq_lab.paths import kit_folder


def commands():
    """The one-line shell blocks at the top of the README."""
    text = (kit_folder() / "README.md").read_text(encoding="utf-8")
    return re.findall(r"```sh\n(.+)\n```", text)[:2]


def test_the_first_opens_the_lessons_and_the_second_runs_the_tests():
    lessons, tests = commands()
    assert lessons.endswith(".venv/bin/dpoq-lab")
    assert tests.endswith(".venv/bin/python -m pytest")
    for command in (lessons, tests):
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e ")


def test_ci_runs_the_test_command_as_the_readme_gives_it():
    script = (kit_folder() / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert commands()[1] in script


def test_the_pinned_set_lies_within_the_bounds():
    import tomllib

    from packaging.requirements import Requirement

    project = tomllib.loads((kit_folder() / "pyproject.toml").read_text())["project"]
    wanted = [
        Requirement(r) for r in project["dependencies"] + sum(project["optional-dependencies"].values(), [])
    ]
    lines = (kit_folder() / "constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    for requirement in wanted:
        assert requirement.specifier.contains(pinned[requirement.name]), requirement


def pm(found, sign=""):
    """A mean in bold with its half-width, as the README writes it."""
    return f"**{found['mean']:{sign}.2f}** ± {found['half_95']:.2f}"


def quoted():
    """What the README quotes of the stored records, each figure as it must stand there."""
    credit = stored_record("order-notes", "credit")
    search = stored_record("order-notes-search", "search")["underfitted"]
    reference = stored_record("order-notes-reference", "reference")["table"]
    advantage = stored_record("telegrams", "advantage")["table"]
    proxy = stored_record("order-notes-proxy", "proxy")["table"]["96 x 3"]
    cpl = stored_record("cpl", "cpl")["starts"]
    chosen = {name: row["chosen_reward"] for name, row in reference.items()}
    loss = {name: over_seeds(drop(search, name)) for name in search}
    ways = ("sampling, T 1, top-k 50", "width 5, penalty 0")
    wins = {name: [f"{search[name][way]['win']['mean']:.2f}" for way in ways] for name in search}
    yield f"precision at 1 of -r {pm(credit['credit']['-r, DPO from SFT']['precision_at_1'])}"
    yield f"both found in {credit['stitching']['-r, one error a reply']['both']['mean']:.2f}"
    yield f"correlation {pm(advantage['correlation_with_A'])}"
    dpo, sft = (" to ".join(wins[name]) for name in ("DPO, beta 0.5", "SFT"))
    yield f"of DPO (beta 0.5) goes from {dpo}, of SFT from {sft}"
    yield f"loses more than SFT ({plus_minus(contrast(loss['DPO, beta 0.5'], loss['SFT']), '+')})"
    yield f"{pm(proxy['DPO from SFT, lambda 1'])} at lambda 1"
    yield f"base {pm(chosen['base, off-policy pairs'], '+')}"
    yield f"SFT on chosen {pm(chosen['SFT 80 on chosen, off-policy pairs'], '+')}"
    yield f"chosen reward {plus_minus(cpl['no cloning']['chosen_change'], '+')} from nothing"


def test_the_results_table_quotes_the_stored_records():
    text = (kit_folder() / "README.md").read_text(encoding="utf-8")
    assert [figure for figure in quoted() if figure not in text] == []
