"""The faults of `plant_faults.py`: small changes of a module's syntax, one at a time.

An operator, a bound, a truth value, a role or two arguments exchanged, a condition turned, a statement
dropped. Annotations, docstrings, the texts of errors, guards of types and of equal lengths stay as they are.
"""

import ast
import random
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "dpoq_lab"
ROOMS = ("", "commands/", "search/", "views/")
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
    source = (PACKAGE / module).read_text(encoding="utf-8")
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
    paths = [path for room in ROOMS for path in sorted((PACKAGE / room).glob("*.py"))]
    names = [str(path.relative_to(PACKAGE)) for path in paths]
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
