"""Which faults, planted in the package one at a time, are caught by the test files nearest to them.

python tests/plant_faults.py [--seeds 0 1] [--faults 150] [--only TEXT]

What a fault is stands in `fault_kinds.py`. Each seed draws one of every module of core, commands, search and
views, and the rest by chance; `--only` takes modules whose name holds TEXT. The tests run in a copy of the
kit; those that hang have caught the fault. A fault that changes nothing anyone can see is listed in
`planted_faults.toml` with the reason. All modules together write the table `planted_faults.md`. Takes a
quarter of an hour a seed.
"""

import argparse
import gc
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from importlib.util import cache_from_source
from pathlib import Path

from fault_kinds import PACKAGE, ROOT, Fault, drawn, modules

BY_HAND = "commands/test_inspect_by_hand.py"  # the whole way, from two laws to the page
# the tests of modules beside, or without, a test file of the same name
TESTS = {
    "__init__.py": ["test_face.py"],
    "runs/causes.py": ["runs/test_diagnosis.py"],
    "checkpoints.py": ["test_training.py"],
    "credit.py": [BY_HAND],
    "encoding.py": ["test_chat.py"],
    "forms.py": ["test_preferences.py"],
    "runs/facts.py": [BY_HAND],
    "paths.py": ["test_readme.py"],
    "rewards.py": [BY_HAND],
    "runs/summary.py": [BY_HAND],
    "texts.py": ["test_encoding.py", "test_chat.py"],
    "commands/arguments.py": ["commands/test_options.py", "commands/test_flags.py"],
    "commands/cli.py": ["commands/test_options.py", "commands/test_flags.py"],
    "commands/contact_sheet.py": ["test_readme.py"],
    "commands/inspect.py": [BY_HAND],
    "commands/inspected.py": ["commands/test_diagnose.py"],
    "commands/scored.py": [BY_HAND],
    "commands/run_folder.py": ["commands/test_train.py", "commands/test_cli.py"],
    "commands/study.py": ["lessons/test_study.py"],
    "commands/train.py": ["commands/test_cli.py"],
    "search/mcts.py": ["lessons/l07_search/test_theory.py"],
    "search/scorers.py": ["search/test_beams.py"],
    "views/pair_pictures.py": ["views/test_report.py", "views/test_report_by_hand.py"],
    "views/report.py": ["views/test_report_by_hand.py", BY_HAND],
    "views/summary_view.py": ["views/test_report.py", "views/test_report_by_hand.py", BY_HAND],
    "views/verdict.py": ["views/test_report.py", "views/test_report_by_hand.py"],
}
HEAVY = """nbformat nbclient nbval.plugin hypothesis scipy.stats sklearn.metrics torch._dynamo datasets
accelerate transformers.generation transformers.models.llama.modeling_llama"""
LIMIT = 240  # seconds


def tests_of(module: str) -> list[str]:
    """The test files of a module: that of its name, and those that the table says."""
    mirror = str(Path(module).with_name(f"test_{Path(module).name}"))
    named = [mirror] * (ROOT / "tests" / mirror).exists() + TESTS.get(module, [])
    return [f"tests/{name}" for name in dict.fromkeys(named)]


class Copy:
    """A copy of the kit in a folder; tests run in forks of this process, so that imports are paid once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = subprocess.check_output(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True
        )
        for name in listed.splitlines():
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, folder / name)
        os.environ |= {"PYTHONPATH": str(folder), "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
        sys.path[0] = str(folder)
        for name in [*HEAVY.split(), *(f"dpoq_lab.{m[:-3].replace('/', '.')}" for m in modules(""))]:
            import_module(name)
        for name in [name for name in sys.modules if name.startswith("dpoq_lab")]:
            del sys.modules[name]  # but not what they have loaded
        gc.freeze()  # so that no fork goes through it all again

    def passes(self, tests: list[str], write: bool = False) -> bool:
        """Whether the tests pass."""
        process = multiprocessing.get_context("fork").Process(target=self._run, args=(tests, write))
        process.start()
        end = time.monotonic() + LIMIT
        while process.exitcode is None and time.monotonic() < end:
            time.sleep(0.02)  # `join` would wait for ever where the process becomes another one
        if process.exitcode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.join()
        return process.exitcode == 0

    def _run(self, tests: list[str], write: bool) -> None:
        os.setsid()
        os.chdir(self.folder)
        sys.dont_write_bytecode = not write
        os.environ["PYTHONDONTWRITEBYTECODE"] = "" if write else "1"
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        import pytest

        loaded = "ignore::pytest.PytestAssertRewriteWarning"  # of what this process has imported
        sys.exit(
            int(
                pytest.main(
                    [
                        "-x",
                        "-q",
                        "-p",
                        "no:cacheprovider",
                        "--hypothesis-profile=ci",  # the same examples each time, however slow
                        "-W",
                        loaded,
                        "-m",
                        "not browser and not trl",
                        *tests,
                    ]
                )
            )
        )

    def catches(self, fault: Fault) -> bool:
        """Whether a test fails, or hangs, with the fault in place."""
        path = self.folder / PACKAGE.name / fault.module
        whole = path.read_text(encoding="utf-8")
        Path(cache_from_source(str(path))).unlink(missing_ok=True)
        path.write_text(fault.planted(), encoding="utf-8")
        try:
            return not self.passes(tests_of(fault.module))
        finally:
            path.write_text(whole, encoding="utf-8")


def equivalents() -> dict[tuple[str, str, str], str]:
    """The reasons of the faults that change nothing anyone can see."""
    rows = tomllib.loads((ROOT / "tests" / "planted_faults.toml").read_text(encoding="utf-8"))["equivalent"]
    return {(row["module"], row["line"], row["change"]): row["reason"] for row in rows}


def table(results: dict[int, list[tuple[Fault, str]]]) -> str:
    """The table as Markdown; a result is a fault and what became of it."""
    lines = [
        "# Planted faults",
        "",
        "Written by `python tests/plant_faults.py`: see there what a fault is.",
        "",
    ]
    for seed, found in sorted(results.items()):
        n = Counter(what for _, what in found)
        share = n["caught"] / max(1, len(found) - n["equivalent"])
        lines.append(
            f"Seed {seed}: {len(found)} faults, {n['caught']} caught, {n['equivalent']} equivalent, "
        )
        lines[-1] += f"{n['alive']} alive; {share:.1%} of those that are no equivalents are caught."
    every = [row for _, found in sorted(results.items()) for row in found]
    lines += ["", "| module | faults | caught | equivalent | alive |", "|---|---|---|---|---|"]
    for module in sorted({fault.module for fault, _ in every}, key=modules("").index):
        n = Counter(what for fault, what in every if fault.module == module)
        lines.append(f"| {module} | {n.total()} | {n['caught']} | {n['equivalent']} | {n['alive']} |")
    alive = [f"- {fault}" for fault, what in every if what == "alive"]
    reasons = equivalents()
    same = [f"- {fault}: {reasons[fault.key()]}" for fault, what in every if what == "equivalent"]
    return "\n".join([*lines, "", "## Alive", "", *(alive or ["None."]), "", "## Equivalent", "", *same, ""])


def check(copy: Copy, names: Sequence[str]) -> None:
    """Every test file passes without a fault; what its modules are compiled to is kept."""
    for test in dict.fromkeys(test for module in names for test in tests_of(module)):
        if not copy.passes([test], write=True):
            sys.exit(f"without a fault this fails: {test}")


def run(copy: Copy, faults: Sequence[Fault], seed: int) -> list[tuple[Fault, str]]:
    """What becomes of the faults that a seed has drawn."""
    reasons, found = equivalents(), []
    for fault in faults:
        what = "equivalent" if fault.key() in reasons else "caught" if copy.catches(fault) else "alive"
        found.append((fault, what))
        print(f"{seed} {what:10} {fault}", flush=True)
    return found


def main() -> None:
    """Run the seeds, write the table after each, and fail where a fault is alive."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--faults", type=int, default=150)
    parser.add_argument("--only", default="", metavar="TEXT")
    given = parser.parse_args()
    names, results = modules(given.only), {}
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder))
        check(copy, names)
        for seed in given.seeds:
            results[seed] = run(copy, drawn(names, given.faults, seed), seed)
            if not given.only:
                (ROOT / "tests" / "planted_faults.md").write_text(table(results), encoding="utf-8")
    sys.exit(any(what == "alive" for found in results.values() for _, what in found))


if __name__ == "__main__":
    main()
