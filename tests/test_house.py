"""The house: imports run one way, no lesson imports another, and looking in builds and loads nothing."""

import ast
import json
import os
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import dpoq_lab
from dpoq_lab.paths import kit_folder

PACKAGE = Path(dpoq_lab.__file__).parent
# each room, and the rooms that it may import
CORE, SEARCH = {"core"}, {"core", "theory", "search"}
RUNS = {"core", "runs"}
ORDER_NOTES = SEARCH | {"order_notes"}
VIEWS = ORDER_NOTES | RUNS | {"views"}
LESSONS = VIEWS | {"lessons"}
MAY_IMPORT = {
    "theory": {"theory"},
    "core": CORE,
    "search": SEARCH,
    "runs": RUNS,
    "order_notes": ORDER_NOTES,
    "views": VIEWS,
    "lessons": LESSONS,
    "commands": LESSONS | {"commands"},
    "face": LESSONS | {"commands", "face"},
}
# those that load what they are asked for
BY_NAME = ("dpoq_lab", "dpoq_lab.commands.study", "dpoq_lab.commands.contact_sheet")


def modules(package):
    """Every module of a package folder, by its dotted name."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = ("dpoq_lab", *path.relative_to(package).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path, known):
    """The modules of the package that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in inner}
    return {name for name in found if name in known}


def room(name):
    parts = name.split(".")
    if len(parts) == 1 or parts[1] == "__main__":
        return "face"
    return parts[1] if parts[1] in MAY_IMPORT else "core"


def lesson(name):
    """The lesson that a module belongs to, if it belongs to one."""
    found = re.match(r"dpoq_lab\.lessons\.(l\d\d_\w+)", name)
    return found and found.group(1)


def violations(package):
    """Every import that runs upward or from lesson to lesson, every circle, every import by name."""
    known = modules(package)
    graph = {name: imports(path, known) for name, path in known.items()}
    found = []
    for name, targets in graph.items():
        for target in sorted(targets):
            if room(target) not in MAY_IMPORT[room(name)]:
                found.append(f"{name} imports {target}: {room(target)} is not below {room(name)}")
            if room(name) == "lessons" and lesson(target) not in (None, lesson(name)):
                found.append(f"{name} imports {target}: another lesson")
        if "import_module" in known[name].read_text(encoding="utf-8") and name not in BY_NAME:
            found.append(f"{name} imports by name")
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found.append(f"circle: {' -> '.join(error.args[1])}")
    return found


def test_imports_run_one_way_and_no_lesson_imports_another():
    assert violations(PACKAGE) == []


@pytest.mark.parametrize(
    ("file", "line", "named"),
    [
        ("losses.py", "from dpoq_lab.commands.cli import main", "commands is not below core"),
        ("theory/token_mdp.py", "from dpoq_lab import models", "core is not below theory"),
        ("views/trees.py", "from dpoq_lab.lessons.check import checker", "lessons is not below views"),
        (
            "lessons/l09_proxy_tuning/study.py",
            "from dpoq_lab.lessons.l08_reference_policy.pairs import KINDS",
            "another lesson",
        ),
        ("lessons/opening.py", "from dpoq_lab.lessons import l05_train_dpo", "another lesson"),
        ("paths.py", "def later():\n    from dpoq_lab import models", "circle: "),
        ("training.py", "from importlib import import_module", "training imports by name"),
    ],
)
def test_a_planted_import_is_caught(file, line, named, tmp_path):
    for path in PACKAGE.rglob("*.py"):
        copy = tmp_path / "dpoq_lab" / path.relative_to(PACKAGE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    planted = tmp_path / "dpoq_lab" / file
    planted.write_text(f"{planted.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    found = violations(tmp_path / "dpoq_lab")
    assert len(found) >= 1
    assert any(named in line for line in found), found


def run(code):
    """What a fresh Python prints as JSON."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_the_import_takes_less_than_half_a_second_and_loads_no_room():
    code = """import json, sys, time
before, start = set(sys.modules), time.perf_counter()
import dpoq_lab
seconds = time.perf_counter() - start
new = set(sys.modules) - before
print(json.dumps([seconds, sorted(name for name in new if name.startswith("dpoq_lab")), len(new)]))"""
    seconds, rooms, loaded = run(code)
    assert seconds < 0.5
    assert rooms == ["dpoq_lab"]
    assert loaded < 60


def test_nothing_is_built_when_every_module_is_imported():
    names = [name for name in modules(PACKAGE) if name != "dpoq_lab.__main__"]
    code = f"""import gc, importlib, json
from transformers import PreTrainedModel, PreTrainedTokenizerBase
import ipywidgets
from dpoq_lab.views.figures import Figure
built = (PreTrainedModel, PreTrainedTokenizerBase, Figure, ipywidgets.Widget)
for name in {names}:
    importlib.import_module(name)
print(json.dumps([repr(type(x)) for x in gc.get_objects() if isinstance(x, built)]))"""
    assert run(code) == []


LESSON_CELLS = """import json, sys
from pathlib import Path
cells = [c for c in json.loads(Path(sys.argv[1]).read_text())["cells"] if c["cell_type"] == "code"]
scope, loaded = {"__name__": "__main__"}, None
for i, cell in enumerate(cells[: int(sys.argv[2]) + 1]):
    exec("".join(cell["source"]), scope)
    if loaded is None and "torch" in sys.modules:
        loaded = i
print()
print(json.dumps(loaded))"""


@pytest.mark.parametrize(
    "name", ["01_token_mdp", "02_from_r_to_q", "03_dpo_is_inverse_q_learning", "04_what_dpo_can_represent"]
)
def test_lessons_01_to_04_load_torch_only_where_a_model_is_asked(name):
    """The lesson's own cells in a fresh Python, up to the first that asks a model: none but in lesson 02."""
    path = kit_folder() / "notebooks" / f"{name}.ipynb"
    cells = [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]
    asks = [i for i, cell in enumerate(cells) if "load_frozen" in "".join(cell["source"])]
    assert bool(asks) == name.startswith("02")
    last = asks[0] if asks else len(cells)
    done = subprocess.run(
        [sys.executable, "-c", LESSON_CELLS, str(path), str(last)],
        capture_output=True,
        text=True,
        env={**os.environ, "DPOQ_PRESET": "ci"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == (asks[0] if asks else None)


def test_every_picture_leaves_by_one_door():
    """A figure is made in `views.figures`, with alt text and reading, and lessons show it by `show`."""
    makers = [
        path.name for path in sorted(PACKAGE.rglob("*.py")) if "<svg" in path.read_text(encoding="utf-8")
    ]
    assert makers == ["figures.py"]
    for path in sorted((kit_folder() / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        source = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        live = "display(Styled([picture]))" if path.stem.startswith("05") else ""
        shown = re.findall(r"^ *(?:display|HTML)\(.*|^.*\.show\(.*", source, re.MULTILINE)
        assert shown == [live] * bool(live), path.name


def test_lessons_read_no_private_name_of_the_package():
    for path in sorted((kit_folder() / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                tree = ast.parse("".join(cell["source"]))
                read = [n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)]
                private = [n for n in read if n.startswith("_") and not n.startswith("__")]
                assert private == [], path.name
