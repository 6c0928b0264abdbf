"""The README's two commands are the ones that CI runs, and its figures those of the stored records."""

import re

import numpy as np

from dpoq_lab.commands.contact_sheet import contact_sheet
from dpoq_lab.intervals import contrast, over_seeds, plus_minus, wilson_interval
from dpoq_lab.lessons.l07_search.study import drop
from dpoq_lab.lessons.l14_your_own_model.study import FIRST_TEST_SEED, right, verdict_of
from dpoq_lab.lessons.lecture import lectures
from dpoq_lab.lessons.opening import course_records, stored_run
from dpoq_lab.lessons.study import stored_record
from dpoq_lab.paths import kit_folder


def commands():
    """The one-line shell blocks at the top of the README."""
    text = (kit_folder() / "README.md").read_text(encoding="utf-8")
    return re.findall(r"```sh\n(.+)\n```", text)[:2]


def test_the_first_opens_the_lessons_and_the_second_runs_the_tests():
    lessons, tests = commands()
    assert lessons.endswith(".venv/bin/dpoq-lab")
    assert tests.endswith(".venv/bin/python -m pytest -n auto")
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


def named_right(**what):
    """How many runs of `causes` on seeds that no rule saw the diagnosis names, and of how many."""
    runs = [r for r in stored_record("causes", "causes")["runs"] if r["seed"] >= FIRST_TEST_SEED]
    return sum(right(run, verdict_of(run, **what)) for run in runs), len(runs)


def quoted():
    """What the README quotes of the stored records, each figure as it must stand there."""
    (hits, runs), (by_curves, _) = named_right(), named_right(pairs=False)
    yield f"**{hits}** of {runs}, no healthy run of 35 called broken; by curves alone {by_curves} |"
    credit = stored_record("order-notes", "credit")
    found = {name: row["precision_at_1"] for name, row in credit["credit"].items()}
    yield f"{pm(found['-r, DPO from SFT'])} by -r_hat, {plus_minus(found['surprisal, SFT'])}"
    yield f"both found | {plus_minus(credit['stitching']['-r, one error a reply']['both'])} |"
    advantage = stored_record("telegrams", "advantage")["table"]
    yield f"correlation {pm(advantage['correlation_with_A'])}"
    yield from searched(stored_record("order-notes-search", "search")["underfitted"])
    proxy = stored_record("order-notes-proxy", "proxy")["table"]["96 x 3"]
    untouched, best = (f"{proxy[name]['mean']:.2f}" for name in (f"{DPO}, lambda 0", f"best of 16 by {DPO}"))
    yield f"{pm(proxy[f'{DPO}, lambda 1'])} at lambda 1, {untouched} untouched, {best} best of 16"
    reference = stored_record("order-notes-reference", "reference")["table"]
    chosen = {name: row["chosen_reward"] for name, row in reference.items()}
    yield f"{pm(chosen['base, off-policy pairs'], '+')} from the base"
    yield f"{pm(chosen['SFT 80 on chosen, off-policy pairs'], '+')} from SFT on the chosen"
    displaced = stored_record("displacement", "displacement")["table"]
    apart, independent = (f"SFT, {pairs}" for pairs in ("one word apart", "independent replies"))
    yield f"fall | {plus_minus(displaced[apart]['both_fall'])} of pairs"
    yield f"{plus_minus(displaced[independent]['both_fall'])} of independent ones"

    steps = [
        row["ratio_cpu"]
        for row in stored_record("bench", "bench")["rows"]
        if row["work"].startswith("DPO step")
    ]
    yield f"A DPO step is {min(steps):.1f} to {max(steps):.1f} times as fast as TRL's"


DPO = "DPO from SFT"


def searched(rows):
    """Win rates from sampling to 5 beams, and the contrast of what 20 beams lose."""
    ways = ("sampling, T 1, top-k 50", "width 5, penalty 0")
    wins = {name: " to ".join(f"{rows[name][way]['win']['mean']:.2f}" for way in ways) for name in rows}
    yield f"DPO (beta 0.5) {wins['DPO, beta 0.5']}, SFT {wins['SFT']}"
    loss = {name: over_seeds(drop(rows, name)) for name in rows}
    yield f"| {plus_minus(contrast(loss['DPO, beta 0.5'], loss['SFT']), '+')}"


def of_smollm2():
    """What the README quotes of the stored run of SmolLM2."""
    records, summary = stored_run("smollm2-courtesy")
    right = [
        sum(chosen["reward"]) > sum(rejected["reward"])
        for chosen, rejected in zip(records[::2], records[1::2], strict=True)
    ]
    low, high = wilson_interval(sum(right), len(right))
    yield f"{len(right)} held-out pairs ranked right | **{np.mean(right):.2f}** ({low:.2f} to {high:.2f})"
    marks = summary["credit"]["marks"]
    auroc = [
        f"{marks[name]['auroc']:.2f}" for name in ("-r", "surprisal of reference", "surprisal of policy")
    ]
    yield f"AUROC of -r_hat on flaws {auroc[0]}, of surprisal {auroc[1]} to {auroc[2]}"
    kinds = [record["kind"] for record in course_records("held_out")]
    for kind, name in (("curt", "curt"), ("evasive", "evasive"), ("rude", "rude"), ("wrong", "wrong facts")):
        yield f"{name} {np.mean([r for r, k in zip(right, kinds, strict=True) if k == kind]):.2f}"


def test_the_results_table_quotes_the_stored_records():
    text = (kit_folder() / "README.md").read_text(encoding="utf-8")
    assert [figure for figure in (*quoted(), *of_smollm2()) if figure not in text] == []


def test_its_ten_figures_are_ten_and_every_lesson_stands_with_its_minutes():
    text = (kit_folder() / "README.md").read_text(encoding="utf-8")
    figures = text.split("| figure | value | command |")[1].split("\n\n")[0].splitlines()
    assert len(figures) == 2 + 10
    for lesson in lectures():
        assert f"| `{lesson.name}` | {lesson.lecture + lesson.exercises} |" in text


def test_the_contact_sheet_is_what_the_lessons_draw_and_is_light():
    path = kit_folder() / "notebooks" / "pictures" / "contact_sheet.svg"
    assert path.read_text(encoding="utf-8") == contact_sheet()
    assert path.stat().st_size < 600_000
    assert path.relative_to(kit_folder()).as_posix() in (kit_folder() / "README.md").read_text(
        encoding="utf-8"
    )
