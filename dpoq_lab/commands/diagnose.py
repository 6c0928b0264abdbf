"""Which known cause is at work in a run: its log, and its pairs scored, here or by an earlier `inspect`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dpoq_lab.adapters import base_of
from dpoq_lab.commands.audit import left_out
from dpoq_lab.commands.claim import make_folder, remove_empty, strangers
from dpoq_lab.commands.inspect import inspect
from dpoq_lab.commands.inspected import read_summary, shown_pairs
from dpoq_lab.commands.scored import FILES
from dpoq_lab.commands.unfinished import FOLDER, stopped
from dpoq_lab.provenance import provenance
from dpoq_lab.records import read_json, write_json, write_text
from dpoq_lab.runs import diagnosis
from dpoq_lab.runs.diagnosis import Diagnosis
from dpoq_lab.runs.facts import log_facts
from dpoq_lab.runs.logs import Log, read_log
from dpoq_lab.views.report import curves_page, report

NAME = "diagnosis.json"
BETA = 0.1  # of most trainers, where neither the run nor the user says one


class DiagnoseError(ValueError):
    """A diagnosis that cannot be made; the text is one line."""


def diagnose(run: str | Path, **options: Any) -> Diagnosis:
    """Which known cause is at work in a run: its `verdict`, `findings` with their evidence, and `facts`.

    `run` is a run's folder, its log, or a csv of rewards; `options` are those of `diagnose_run`: `inspected`,
    `pairs`, `reference`, `beta`, `out`. Writes a page, by default into the run. Raises LogError and
    DiagnoseError, and with `pairs` what `score` raises.
    """
    paths = {name: Path(options[name]) for name in ("inspected", "out") if options.get(name)}
    return diagnose_run(Path(run), **options | paths)[0]


def diagnose_run(
    run: Path,
    inspected: Path | None = None,
    pairs: str | None = None,
    reference: str | None = None,
    beta: float | None = None,
    out: Path | None = None,
    **options: Any,
) -> tuple[Diagnosis, list[str], Path]:
    """The diagnosis of a run, what it assumes, and the page that was written to `out` (default: in the run).

    `inspected` is a folder that `inspect` wrote; `pairs` are scored now by the run's model and its reference.
    Raises LogError, DiagnoseError, and what `inspect` raises.
    """
    log = read_log(run)
    out = out or (run if run.is_dir() else run.parent) / "diagnosis"
    _check_folder(out)
    summary = read_summary(inspected) if inspected else None
    known = beta or log.beta or (summary and summary["beta"])
    assumed = known or BETA
    told = [f"{len(log.records)} records of {log.source}, one in {log.averaged} steps"]
    if not known:
        told.append(f"beta is taken for {BETA}: say it with --beta")
    if pairs:
        told += _score(log, out, pairs, reference, assumed, **options)
        inspected, summary = out, read_summary(out)
    elif summary:
        told += _unlike(log, assumed, summary)
    else:
        told.append(f"curves alone: --pairs {log.pairs or 'PAIRS'}, what it was trained on, tells much more")
    facts = log_facts(log, assumed) | _model_facts(log)
    try:
        found = diagnosis.diagnose((summary["facts"] if summary else {}) | facts)
    except KeyError as error:
        raise DiagnoseError(f"{inspected}: its summary lacks {error}: run inspect again") from error
    page = _page(inspected, summary, found, log) if inspected and summary else curves_page(found, log)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / NAME, asdict(found) | {"verdict": found.verdict, "provenance": provenance()})
    write_text(out / "report.html", page)
    return found, told, out / "report.html"


def _unlike(log: Log, beta: float, summary: dict) -> list[str]:
    """In what the scored pairs differ from the run, a line each. Raises DiagnoseError for another model."""
    told, policy = [], Path(str(summary["policy"]))
    if log.policy and policy.is_dir() and not _kin(policy.resolve(), log.policy.resolve()):
        raise DiagnoseError(f"the pairs were scored by {policy}, and the model of this run is {log.policy}")
    if abs(summary["beta"] - beta) > 1e-9:
        told.append(f"the rewards of the pairs are by beta {summary['beta']:g}, those of the run by {beta:g}")
    return told


def _kin(a: Path, b: Path) -> bool:
    """Whether two folders are one, or a run and a checkpoint in it."""
    return a == b or a in b.parents or b in a.parents


def _check_folder(out: Path) -> None:
    """Only an earlier diagnosis is written over. Raises DiagnoseError."""
    if not out.exists():
        return
    if not out.is_dir():
        raise DiagnoseError(f"{out}: is a file, not a folder")
    held = set(strangers(out))
    others = held - {*FILES, FOLDER, NAME} if _is_ours(out / NAME) else held
    if others:
        raise DiagnoseError(f"{out}: holds {min(others)}, and no diagnosis: choose another folder with --out")


def _is_ours(path: Path) -> bool:
    try:
        found = read_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and "verdict" in found


def _score(log: Log, out: Path, pairs: str, reference: str | None, beta: float, **options: Any) -> list[str]:
    """Score the pairs with the run's model; what was scored, and what was left out, a line each."""
    if log.policy is None:
        raise DiagnoseError(f"{log.source}: no model lies beside it, so --pairs cannot be scored")
    named = reference or base_of(str(log.policy)) or log.reference
    if named is None:
        raise DiagnoseError("--reference is needed: the run does not name the model that it began from")
    with _begun(out):
        done = inspect(str(log.policy), named, pairs, out, beta, replace=True, **options)
    summary, problems = done if done else ({"notes": {}, "read": 0}, [])
    lines = left_out(problems, summary["notes"], summary["read"])
    return [f"scored {pairs} by {log.policy} against {named}", *lines]


@contextmanager
def _begun(out: Path) -> Iterator[None]:
    """A diagnosis without a verdict says that what is found here is ours; a failure takes it back."""
    fresh = not (out / NAME).exists()
    made = make_folder(out)
    if fresh:
        write_json(out / NAME, {"verdict": None})
    try:
        yield
    except Exception:
        if fresh and not stopped(out):
            (out / NAME).unlink()
            remove_empty(made)
        raise


def _model_facts(log: Log) -> dict[str, float]:
    """Whether the weights of the policy are kept in bfloat16, read from the heads of its files."""
    from safetensors import SafetensorError, safe_open

    kinds = set()
    for path in sorted(log.policy.glob("*.safetensors")) if log.policy else []:
        try:
            with safe_open(path, "pt") as weights:
                kinds |= {weights.get_slice(name).get_dtype() for name in weights.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise DiagnoseError(f"{path}: cannot be read: {error}") from error
    return {"bf16_weights": float(kinds == {"BF16"})} if kinds else {}


def _page(inspected: Path, summary: dict, found: Diagnosis, log: Log) -> str:
    shown = shown_pairs(inspected, summary)
    try:
        return report(summary, shown, found, log)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise DiagnoseError(f"{inspected}: its summary is not one of inspect: run it again") from error
