"""`dpoq-lab`: open the lessons, check pairs, train, inspect, study, doctor.

Exit status 0 for success, 1 for failure, 2 for misuse; an error is one line on stderr.
"""

import argparse
import os
import sys
from typing import TYPE_CHECKING

from dpoq_lab.commands.arguments import HOW, parser
from dpoq_lab.commands.terminal import fail, say

if TYPE_CHECKING:
    from dpoq_lab.columns import How


class Misuse(ValueError):
    """An argument that does not go with the others; the text is one line."""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit status. With DPOQ_DEBUG set, an error is a traceback."""
    arguments = parser().parse_args(argv)
    try:
        if arguments.command and (arguments.port or arguments.ip or arguments.no_browser):
            raise Misuse("--port, --ip and --no-browser are for the lessons, not for a command")
        status = RUN[arguments.command](arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return fail("interrupted")
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Misuse as error:
        return fail(str(error), status=2)
    except Exception as error:
        if os.environ.get("DPOQ_DEBUG"):
            raise
        return fail(_told(error))


def _told(error: Exception) -> str:
    """An error in words; of one that nobody foresaw, its kind and how to see more."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    said = str(error)
    if said and isinstance(error, RuntimeError | ValueError | OSError):
        return said
    return f"{type(error).__name__}: {said or 'no more is known'} (DPOQ_DEBUG=1 shows where)"


def _how(arguments: argparse.Namespace) -> "How":
    from dpoq_lab.columns import How

    return How(**{name: getattr(arguments, name) for name in (*HOW, "chat_template_kwargs")})


def _lab(arguments: argparse.Namespace) -> int:
    from dpoq_lab.commands.lab import lab_command, lab_environment

    command = lab_command(arguments.no_browser, arguments.port, arguments.ip)
    sys.stdout.flush()
    os.execve(command[0], command, lab_environment())


def _check(arguments: argparse.Namespace) -> int:
    from dpoq_lab.commands.check import check

    if not arguments.model:
        _refuse_unused(arguments, "--model", "max_length", "chat_template", "chat_template_kwargs")
    how, held_out, max_length = _how(arguments), arguments.held_out, arguments.max_length or 512
    report = check(*(arguments.pairs, arguments.model, max_length), how, held_out, arguments.chat_template)
    say(report.text())
    return 1 if report.problems else 0


def _train(arguments: argparse.Namespace) -> int:
    from dpoq_lab.commands.train import Request, run, summary_line
    from dpoq_lab.presets import find_preset

    preset = find_preset(arguments.preset)
    names = (
        "pairs",
        "out",
        "method",
        "reference",
        "beta",
        "lr",
        "epochs",
        "batch_size",
        "seed",
        "held_out",
        "resume",
        "whole_yield",
        "max_length",
        "chat_template",
    )
    asked = {name: getattr(arguments, name) for name in names}
    request = Request(model=arguments.model or preset.model, how=_how(arguments), **asked)
    record = run(request, preset)
    if int(os.environ.get("RANK", "0")) == 0:
        say(summary_line(record))
    return 0


def _inspect(arguments: argparse.Namespace) -> int:
    from dpoq_lab.commands.inspect import inspect, summary_lines
    from dpoq_lab.models import base_of

    reference = arguments.reference or base_of(arguments.policy)
    if reference is None:
        raise Misuse("--reference is needed: only a LoRA adapter names the model that it began from")
    models = {"policy": arguments.policy, "reference": reference}
    names = ("beta", "max_length", "whole_yield", "limit", "dtype", "chat_template")
    asked = {name: getattr(arguments, name) for name in names}
    done = inspect(**models, rows=arguments.pairs, out=arguments.out, how=_how(arguments), **asked)
    if done:
        summary, problems = done
        say(summary_lines(summary, arguments.out, problems))
    return 0


def _diagnose(arguments: argparse.Namespace) -> int:
    from dpoq_lab.commands.diagnose import diagnose_run
    from dpoq_lab.views.verdict import verdict_lines

    if arguments.inspected and arguments.pairs:
        raise Misuse("--inspected and --pairs are two ways to the same: give one of them")
    scoring = ("reference", "max_length", "limit", "whole_yield", "chat_template", "chat_template_kwargs")
    if not arguments.pairs:
        _refuse_unused(arguments, "--pairs", *scoring, *HOW)
    arguments.max_length = arguments.max_length or 512
    names = (
        "run",
        "inspected",
        "pairs",
        "reference",
        "beta",
        "out",
        "max_length",
        "whole_yield",
        "chat_template",
        "limit",
    )
    asked = {name: getattr(arguments, name) for name in names}
    found, told, page = diagnose_run(**asked, how=_how(arguments))
    say("\n".join([*told, *verdict_lines(found), str(page)]))
    return 0


def _study(arguments: argparse.Namespace) -> int:
    from dpoq_lab.commands.study import find_study
    from dpoq_lab.lessons.study import run_study

    study = find_study(arguments.name)
    if arguments.preset not in study.sizes:
        raise Misuse(
            f"study {arguments.name} has no preset {arguments.preset!r}, only {', '.join(study.sizes)}"
        )
    say(run_study(study, arguments.name, arguments.out, arguments.seeds, arguments.preset))
    return 0


def _timetable(arguments: argparse.Namespace) -> int:
    from dpoq_lab.commands.timetable import plan, plan_text
    from dpoq_lab.lessons.lecture import lectures

    slots = plan(lectures(), arguments.minutes)
    if not slots:
        raise Misuse(f"no lesson fits into {arguments.minutes} minutes")
    say(plan_text(slots, arguments.minutes))
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    import json

    from dpoq_lab.commands.doctor import examine, report_lines

    findings = examine(fetch=arguments.fetch)
    say(json.dumps(findings, indent=1) if arguments.json else report_lines(findings))
    return 0 if findings["ready"] else 1


def _refuse_unused(arguments: argparse.Namespace, without: str, *names: str) -> None:
    """Raise Misuse for a flag that would change nothing."""
    for name in names:
        if getattr(arguments, name):
            raise Misuse(f"--{name.replace('_', '-')} says nothing without {without}")


RUN = {
    None: _lab,
    "check": _check,
    "train": _train,
    "inspect": _inspect,
    "diagnose": _diagnose,
    "study": _study,
    "timetable": _timetable,
    "doctor": _doctor,
}
