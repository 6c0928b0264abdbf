"""Which known cause is at work in a run: its log, and its pairs scored, here or by an earlier `inspect`."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from dpoq_lab import diagnosis
from dpoq_lab.adapters import base_of
from dpoq_lab.commands.audit import left_out
from dpoq_lab.commands.claim import strangers
from dpoq_lab.commands.inspect import FILES, inspect
from dpoq_lab.commands.unfinished import FOLDER
from dpoq_lab.diagnosis import Diagnosis
from dpoq_lab.facts import log_facts
from dpoq_lab.records import provenance, read_json, write_json, write_text
from dpoq_lab.run_logs import Log, read_log
from dpoq_lab.summary import Picked
from dpoq_lab.token_file import read_rows
from dpoq_lab.views.report import curves_page, report

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
    summary = _summary_of(inspected) if inspected else None
    known = beta or log.beta or (summary and summary["beta"])
    assumed = known or BETA
    told = [f"{len(log.records)} records of {log.source}, one in {log.averaged} steps"]
    if not known:
        told.append(f"beta is taken for {BETA}: say it with --beta")
    if pairs:
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "diagnosis.json", {"verdict": None})  # what is found here from now on is ours
        told += _score(log, out, pairs, reference, assumed, **options)
        inspected, summary = out, _summary_of(out)
    elif not summary:
        told.append(f"curves alone: --pairs {log.pairs or 'PAIRS'}, what it was trained on, tells much more")
    told += _unlike(log, assumed, summary) if summary else []
    facts = log_facts(log, assumed) | _model_facts(log)
    found = diagnosis.diagnose((summary["facts"] if summary else {}) | facts)
    page = _page(inspected, summary, found, log) if inspected and summary else curves_page(found, log)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "diagnosis.json", asdict(found) | {"verdict": found.verdict, "provenance": provenance()})
    write_text(out / "report.html", page)
    return found, told, out / "report.html"


def _unlike(log: Log, beta: float, summary: dict) -> list[str]:
    """In what the scored pairs are not of this run, a line each."""
    told, policy = [], Path(str(summary["policy"]))
    if log.policy and policy.is_dir() and policy.resolve() != log.policy.resolve():
        told.append(f"the pairs were scored by {policy}, the model of this run is {log.policy}")
    if abs(summary["beta"] - beta) > 1e-9:
        told.append(f"the rewards of the pairs are by beta {summary['beta']:g}, those of the run by {beta:g}")
    return told


def _check_folder(out: Path) -> None:
    """Only an earlier diagnosis is written over. Raises DiagnoseError."""
    if not out.exists():
        return
    if not out.is_dir():
        raise DiagnoseError(f"{out}: is a file, not a folder")
    held = set(strangers(out))
    others = held - {*FILES, FOLDER, "diagnosis.json"} if "diagnosis.json" in held else held
    if others:
        raise DiagnoseError(f"{out}: holds {min(others)}, and no diagnosis: choose another folder with --out")


def _score(log: Log, out: Path, pairs: str, reference: str | None, beta: float, **options: Any) -> list[str]:
    """Score the pairs with the run's model; what was scored, and what was left out, a line each."""
    if log.policy is None:
        raise DiagnoseError(f"{log.source}: no model lies beside it, so --pairs cannot be scored")
    named = reference or base_of(str(log.policy)) or log.reference
    if named is None:
        raise DiagnoseError("--reference is needed: the run does not name the model that it began from")
    done = inspect(str(log.policy), named, pairs, out, beta, replace=True, **options)
    summary, problems = done if done else ({"notes": {}, "read": 0}, [])
    lines = left_out(problems, summary["notes"], summary["read"])
    return [f"scored {pairs} by {log.policy} against {named}", *lines]


def _summary_of(folder: Path) -> dict:
    """The summary that `inspect` wrote into a folder."""
    path = folder / "summary.json"
    try:
        found = read_json(path.read_text(encoding="utf-8"))
        complete = {"policy", "beta", "facts", "plane", "along", "pair_accuracy"} <= found.keys()
        facts, beta = found.get("facts"), found.get("beta")
        numbers = isinstance(facts, dict) and all(isinstance(v, float | int) for v in [beta, *facts.values()])
    except (OSError, ValueError, AttributeError) as error:
        raise DiagnoseError(f"{path}: no summary that can be read: run inspect into {folder}") from error
    if not (complete and numbers):
        raise DiagnoseError(f"{path}: was written by an earlier version: run inspect again")
    return found


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
    picked, path, number = Picked(summary["beta"]), inspected / "tokens.jsonl", -1
    try:
        with path.open(encoding="utf-8") as stream:
            for number, row in enumerate(read_rows(stream)):
                picked.add(number, row)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DiagnoseError(f"{path}: cannot be read: run inspect into {inspected} again") from error
    if number + 1 != summary["pair_accuracy"]["pairs"]:
        raise DiagnoseError(f"{path}: holds {number + 1} pairs, other than summary.json: run inspect again")
    try:
        return report(summary, picked.shown(), found, log)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise DiagnoseError(f"{inspected}: its summary is not one of inspect: run it again") from error
