"""The README's two commands are the ones that CI runs."""

import re

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
