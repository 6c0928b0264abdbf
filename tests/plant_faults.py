"""Which faults, planted in the package one at a time, are caught by the test files nearest to them.

python tests/plant_faults.py [--seeds 0 1] [--faults 150] [--only TEXT]

A fault is a small change of a module's syntax: an operator, a bound, a role or two arguments exchanged, a
condition turned, a statement dropped. Annotations, docstrings and the texts of errors stay. Each seed draws one
of every module and the rest by chance; `--only` takes modules whose name holds TEXT. The tests run in a copy of
the kit. A fault that changes nothing anyone can see is listed in `planted_faults.toml` with the reason. All
modules together write the table `planted_faults.md`. Takes about ten minutes a seed.
"""

import argparse
import ast
import gc
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import cache_from_source
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("", "commands/", "search/", "views/")
# the tests of modules without a test file of the same name
TESTS = {
    "__init__.py": ["test_face.py"],
    "checkpoints.py": ["test_training.py"],
    "messages.py": ["test_columns.py", "test_chat.py"],
    "paths.py": ["test_readme.py"],
    "records.py": ["lessons/test_study.py"],
    "commands/check.py": ["commands/test_cli.py"],
    "commands/contact_sheet.py": ["test_readme.py"],
    "commands/doctor.py": ["commands/test_cli.py"],
    "commands/lab.py": ["commands/test_cli.py"],
    "commands/scorer.py": ["commands/test_inspect.py"],
    "commands/study.py": ["lessons/test_study.py"],
    "commands/train.py": ["commands/test_cli.py"],
    "search/mcts.py": ["lessons/l07_search/test_theory.py"],
    "search/scorers.py": ["search/test_beams.py"],
    "views/pair_pictures.py": ["views/test_report.py"],
    "views/summary_view.py": ["views/test_report.py"],
    "views/verdict.py": ["views/test_report.py"],
}
HEAVY = "nbformat nbclient nbval.plugin hypothesis scipy.stats sklearn.metrics torch._dynamo transformers.generation "
HEAVY += "transformers.models.llama.modeling_llama datasets accelerate"
LIMIT = 240  # seconds; tests that hang have caught the fault

OTHER = {
    ast.Lt: ast.LtE,
    ast.Gt: ast.GtE,
    ast.Eq: ast.NotEq,
    ast.Is: ast.IsNot,
    ast.In: ast.NotIn,
    ast.Add: ast.Sub,
    ast.Mult: ast.Div,
    ast.And: ast.Or,
}
OTHER |= {b: a for a, b in OTHER.items()} | {ast.FloorDiv: ast.Mult}
ROLES = """chosen rejected|policy reference|pi pi_ref|logp logp_ref|log_pi log_pi_ref|kl kl_back|gained lost
min max|any all|better worse|held_out train|MORE LESS|low high|left right|x y|width height|first last"""
EXCHANGED = {
    a: b for pair in ROLES.replace("\n", "|").split("|") for a, b in (pair.split(), pair.split()[::-1])
}
Put = Callable[[ast.AST], None]


@dataclass(frozen=True)
class Fault:
    """A change at a line of a module; `planted` makes the text of the module with it."""

    module: str
    line: int
    source: str
    change: str
    planted: Callable[[], str]

    def key(self) -> tuple[str, str, str]:
        """What the list of equivalents names it by."""
        return self.module, self.source, self.change

    def __str__(self) -> str:
        return f"`{self.module}:{self.line}` `{self.change}`"


def faults(module: str) -> list[Fault]:
    """Every fault of a module of the package, in the order of its text."""
    source = (ROOT / "dpoq_lab" / module).read_text(encoding="utf-8")
    tree, lines = ast.parse(source), source.splitlines()
    places = list(_places(tree))
    known = {_name(node) for node, _ in places}
    found = []
    for node, put in places:
        for new in (*_operators(node), *_values(node), *_statements(node), *_roles(node, known)):
            change = f"{_short(node)} -> {_short(new)}"
            text = partial(_planted, tree, put, node, new)
            found.append(Fault(module, node.lineno, lines[node.lineno - 1].strip(), change, text))
    return sorted(found, key=lambda fault: (fault.line, fault.change))


def _planted(tree: ast.Module, put: Put, node: ast.AST, new: ast.AST) -> str:
    put(new)
    text = ast.unparse(tree)
    put(node)
    return text


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 70 else f"{text[:50]} .. {text[-16:]}"


def _places(tree: ast.AST) -> Iterator[tuple[ast.AST, Put]]:
    """Each node that may be changed, and what puts another in its place."""
    for field, value in ast.iter_fields(tree):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        for i, node in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(node, ast.AST) and not _stays(node):
                put = (
                    partial(value.__setitem__, i)
                    if isinstance(value, list)
                    else partial(setattr, tree, field)
                )
                if hasattr(node, "lineno"):
                    yield node, put
                yield from _places(node)


def _stays(node: ast.AST) -> bool:
    """Texts of errors, docstrings, imports, guards of types and of equal lengths."""
    if isinstance(node, ast.If):
        return any(name in ast.unparse(node.test) for name in ("TYPE_CHECKING", "__name__"))
    text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    guard = isinstance(node, ast.keyword) and node.arg == "strict"
    return text or guard or isinstance(node, ast.Raise | ast.Import | ast.ImportFrom)


def _with(node: ast.AST, **fields: object) -> ast.AST:
    new = copy(node)
    for field, value in fields.items():
        setattr(new, field, value)
    return new


def _operators(node: ast.AST) -> Iterator[ast.AST]:
    """A comparison, an arithmetical or a logical operator exchanged; a `not` or a minus dropped."""
    if isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            yield _with(node, ops=[*node.ops[:i], OTHER[type(op)](), *node.ops[i + 1 :]])
    elif isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in OTHER:
        yield _with(node, op=OTHER[type(node.op)]())
    elif isinstance(node, ast.UnaryOp):
        yield node.operand


def _values(node: ast.AST) -> Iterator[ast.AST]:
    """A whole number or the bound of a slice one more, a truth value turned, two arguments exchanged."""
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield _with(node, value=not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield _with(node, value=node.value + 1)
    elif isinstance(node, ast.Slice):
        for side in ("lower", "upper"):
            if (bound := getattr(node, side)) and not isinstance(bound, ast.Constant):
                yield _with(node, **{side: ast.BinOp(bound, ast.Add(), ast.Constant(1))})
    elif isinstance(node, ast.Call) and not any(isinstance(a, ast.Starred) for a in node.args):
        for i, (a, b) in enumerate(pairwise(node.args)):
            if ast.unparse(a) != ast.unparse(b):
                yield _with(node, args=[*node.args[:i], b, a, *node.args[i + 2 :]])


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """A condition turned; a refusal, a call or an assignment to a part of something dropped."""
    if isinstance(node, ast.If | ast.IfExp):
        yield _with(node, test=ast.UnaryOp(ast.Not(), node.test))
    refuses = isinstance(node, ast.If) and isinstance(node.body[0], ast.Raise) and not node.orelse
    sets = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute | ast.Subscript)
    if refuses or sets or isinstance(node, ast.AugAssign | ast.Expr):
        yield ast.Pass()


def _name(node: ast.AST) -> object:
    """What a name, an attribute or a text says."""
    fields = {ast.Name: "id", ast.Attribute: "attr", ast.Constant: "value"}
    return getattr(node, fields[type(node)]) if type(node) in fields else None


def _roles(node: ast.AST, known: set[object]) -> Iterator[ast.AST]:
    """A name that has a counterpart exchanged for it, where the module has both."""
    other = EXCHANGED.get(name) if isinstance(name := _name(node), str) else None
    if other and other in known:
        field = {ast.Name: "id", ast.Attribute: "attr"}.get(type(node), "value")
        yield _with(node, **{field: other})


def modules(only: str) -> list[str]:
    """The modules of the rooms whose name holds `only`."""
    package = ROOT / "dpoq_lab"
    paths = [path for room in ROOMS for path in sorted((package / room).glob("*.py"))]
    names = [str(path.relative_to(package)) for path in paths]
    return [name for name in names if only in name and faults(name)]


def drawn(names: Sequence[str], n: int, seed: int) -> list[Fault]:
    """`n` faults: one of each module, the others by chance from all that are left."""
    rng, all_faults = random.Random(seed), {name: faults(name) for name in names}
    for found in all_faults.values():
        rng.shuffle(found)
    rest = [fault for found in all_faults.values() for fault in found[1:]]
    first = [found[0] for found in all_faults.values()]
    chosen = first + rng.sample(rest, min(len(rest), max(0, n - len(first))))
    return sorted(chosen[: max(n, len(first))], key=lambda fault: names.index(fault.module))


def tests_of(module: str) -> list[str]:
    """The test files of a module: that of its name, and those that the table says."""
    mirror = str(Path(module).with_name(f"test_{Path(module).name}"))
    named = [mirror] * (ROOT / "tests" / mirror).exists() + TESTS.get(module, [])
    return [f"tests/{name}" for name in dict.fromkeys(named)]


class Copy:
    """A copy of the kit in a folder, in which tests are run in forks of this process: imports are paid once."""

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
        process.join(LIMIT)
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
        path = self.folder / "dpoq_lab" / fault.module
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
    for seed, found in results.items():
        n = Counter(what for _, what in found)
        share = n["caught"] / max(1, len(found) - n["equivalent"])
        lines.append(
            f"Seed {seed}: {len(found)} faults, {n['caught']} caught, {n['equivalent']} equivalent, "
        )
        lines[-1] += f"{n['alive']} alive; {share:.1%} of those that are no equivalents are caught."
    every = [row for found in results.values() for row in found]
    lines += ["", "| module | faults | caught | equivalent | alive |", "|---|---|---|---|---|"]
    for module in dict.fromkeys(fault.module for fault, _ in every):
        n = Counter(what for fault, what in every if fault.module == module)
        lines.append(f"| {module} | {n.total()} | {n['caught']} | {n['equivalent']} | {n['alive']} |")
    alive = [f"- {fault}" for fault, what in every if what == "alive"]
    reasons = equivalents()
    same = [f"- {fault}: {reasons[fault.key()]}" for fault, what in every if what == "equivalent"]
    return "\n".join([*lines, "", "## Alive", "", *(alive or ["None."]), "", "## Equivalent", "", *same, ""])


def run(copy: Copy, seeds: Sequence[int], names: Sequence[str], n: int) -> dict[int, list[tuple[Fault, str]]]:
    """What becomes of the faults that the seeds draw."""
    for module in names:
        if not copy.passes(tests_of(module), write=True):
            sys.exit(f"without a fault these fail: {tests_of(module)}")
    reasons, results = equivalents(), {}
    for seed in seeds:
        results[seed] = []
        for fault in drawn(names, n, seed):
            what = "equivalent" if fault.key() in reasons else "caught" if copy.catches(fault) else "alive"
            results[seed].append((fault, what))
            print(f"{seed} {what:10} {fault}", flush=True)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--faults", type=int, default=150)
    parser.add_argument("--only", default="", metavar="TEXT")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = run(Copy(Path(folder)), given.seeds, modules(given.only), given.faults)
    if not given.only:
        (ROOT / "tests" / "planted_faults.md").write_text(table(results), encoding="utf-8")
    sys.exit(any(what == "alive" for found in results.values() for _, what in found))


if __name__ == "__main__":
    main()
