"""`dpoq-lab`: open the lessons, check pairs, train, inspect, study, doctor.

Exit status 0 for success, 1 for failure, 2 for misuse; an error is one line on stderr.
"""

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from dpoq_lab.commands import values
from dpoq_lab.commands.study import STUDIES
from dpoq_lab.commands.terminal import printable

if TYPE_CHECKING:
    from dpoq_lab.columns import How

METHODS = ("dpo", "sft", "cpl")
DTYPES = ("float32", "bfloat16", "float16")


class Misuse(ValueError):
    """An argument that does not go with the others; the text is one line."""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit status. With DPOQ_DEBUG set, an error is a traceback."""
    arguments = parser().parse_args(argv)
    try:
        if arguments.run_command is not _lab and (arguments.port or arguments.ip or arguments.no_browser):
            raise Misuse("--port, --ip and --no-browser are for the lessons, not for a command")
        status = arguments.run_command(arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return _fail("interrupted")
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Misuse as error:
        return _fail(str(error), status=2)
    except Exception as error:
        if os.environ.get("DPOQ_DEBUG"):
            raise
        return _fail(_told(error))


def _told(error: Exception) -> str:
    """An error in words; of one that nobody foresaw, its kind and how to see more."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    said = str(error)
    if said and isinstance(error, RuntimeError | ValueError | OSError):
        return said
    return f"{type(error).__name__}: {said or 'no more is known'} (DPOQ_DEBUG=1 shows where)"


def _fail(message: str, status: int = 1) -> int:
    print(f"dpoq-lab: error: {printable(' '.join(message.split()), 500)}", file=sys.stderr)
    return status


def _say(text: str) -> None:
    print(printable(text))


class _Parser(argparse.ArgumentParser):
    """Its error is one line, and no text is empty."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.register("type", None, values.name)

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        raise SystemExit(_fail(f"{message} (see {self.prog} --help)", status=2))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = _Parser(prog="dpoq-lab", description="Without a command: open the lessons in JupyterLab.")
    top.add_argument("--no-browser", action="store_true", help="print the address, open no browser")
    top.add_argument("--port", type=values.port, help="the port of JupyterLab")
    top.add_argument("--ip", help="the address JupyterLab listens on (default 127.0.0.1)")
    top.set_defaults(run_command=_lab)
    commands: Any = top.add_subparsers(title="commands", metavar="COMMAND")
    commands.type = str  # its argument is all the words of a command, some of which may be empty
    _add_check(commands)
    _add_train(commands)
    _add_inspect(commands)
    _add_diagnose(commands)
    _add_study(commands)
    _add_timetable(commands)
    _add_doctor(commands)
    return top


def _add_check(commands: argparse._SubParsersAction) -> None:
    check = commands.add_parser("check", help="validate preference data; exit 1 if a pair is unusable")
    check.add_argument("pairs", metavar="PAIRS", help="a file, a folder of a dataset, or a dataset name")
    check.add_argument(
        "--model", help="also tokenise with this model: boundaries, truncation, one pair shown"
    )
    check.add_argument("--max-length", type=values.positive_int, help="tokens of prompt + response (512)")
    check.add_argument(
        "--held-out", metavar="PAIRS", help="pairs kept for testing: are their prompts in here?"
    )
    _add_how(check)
    check.set_defaults(run_command=_check)


def _add_train(commands: argparse._SubParsersAction) -> None:
    train = commands.add_parser("train", help="train a model on preference pairs")
    train.add_argument("--pairs", required=True, metavar="PAIRS")
    train.add_argument(
        "--out", required=True, type=values.folder, metavar="DIR", help="the checkpoint folder to write"
    )
    train.add_argument(
        "--model", metavar="NAME_OR_DIR", help="the policy to start from (default: the preset's)"
    )
    train.add_argument("--method", choices=METHODS, default="dpo")
    train.add_argument("--reference", metavar="NAME_OR_DIR", help="pi_ref (default: the policy as it starts)")
    train.add_argument("--beta", type=values.positive, help="strength of the KL term; CPL's alpha (0.1)")
    train.add_argument("--lr", type=values.positive, help="learning rate")
    train.add_argument("--epochs", type=values.positive_int, default=1)
    train.add_argument("--batch-size", type=values.positive_int, help="pairs an optimiser step")
    train.add_argument("--seed", type=values.seed, default=0)
    train.add_argument("--preset", help="ci, laptop or gpu (default: what this machine gets)")
    train.add_argument(
        "--held-out", type=values.share, default=0.15, help="share of the pairs kept for testing (0.15)"
    )
    train.add_argument(
        "--max-length", type=values.positive_int, help="tokens of prompt + response (default 512)"
    )
    _add_how(train)
    _add_whole_yield(train)
    train.add_argument("--resume", action="store_true", help="go on with the unfinished run in DIR")
    train.set_defaults(run_command=_train)


def _add_inspect(commands: argparse._SubParsersAction) -> None:
    inspect = commands.add_parser("inspect", help="score every token of a preference file")
    inspect.add_argument("--policy", required=True, metavar="NAME_OR_DIR")
    inspect.add_argument(
        "--reference", metavar="NAME_OR_DIR", help="pi_ref (of a LoRA folder by default its base)"
    )
    inspect.add_argument("--pairs", required=True, metavar="PAIRS")
    inspect.add_argument("--out", required=True, type=values.folder, metavar="DIR")
    inspect.add_argument("--beta", type=values.positive, default=0.1)
    inspect.add_argument("--max-length", type=values.positive_int, default=512)
    inspect.add_argument("--dtype", choices=DTYPES, default="float32", help="of the weights (float32)")
    inspect.add_argument(
        "--limit", type=values.positive_int, metavar="N", help="only the first N usable pairs"
    )
    _add_how(inspect)
    _add_whole_yield(inspect)
    inspect.set_defaults(run_command=_inspect)


def _add_diagnose(commands: argparse._SubParsersAction) -> None:
    diagnose = commands.add_parser("diagnose", help="which known cause is at work in a DPO run")
    diagnose.add_argument(
        "run",
        type=values.folder,
        metavar="RUN",
        help="a run's folder (this kit's or TRL's), its log, or a csv of rewards",
    )
    diagnose.add_argument(
        "--inspected", type=values.folder, metavar="DIR", help="what inspect wrote of this run's pairs"
    )
    diagnose.add_argument("--pairs", metavar="PAIRS", help="score these now: best, those it was trained on")
    diagnose.add_argument("--reference", metavar="NAME_OR_DIR", help="pi_ref, where the run does not name it")
    diagnose.add_argument(
        "--out", type=values.folder, metavar="DIR", help="where the report goes (RUN/diagnosis)"
    )
    diagnose.add_argument("--beta", type=values.positive, help="where the run does not say it (0.1)")
    diagnose.add_argument("--max-length", type=values.positive_int, help="as in training (512)")
    diagnose.add_argument(
        "--limit", type=values.positive_int, metavar="N", help="score only the first N usable pairs"
    )
    _add_how(diagnose)
    _add_whole_yield(diagnose)
    diagnose.set_defaults(run_command=_diagnose)


HOW = {
    "prompt_field": "the column of the prompt, where its name does not say so",
    "chosen_field": "the column of the preferred reply",
    "rejected_field": "the column of the other reply",
    "split": "the split of a dataset that has several (default: train)",
    "config": "the config of a dataset that has several",
}


def _add_how(command: argparse.ArgumentParser) -> None:
    for name, what in HOW.items():
        command.add_argument(f"--{name.replace('_', '-')}", metavar="NAME", help=what)
    command.add_argument("--chat-template", metavar="FILE", help="a template in place of the tokenizer's")
    command.add_argument(
        "--chat-template-kwargs",
        type=values.json_object,
        metavar="JSON",
        help="variables of the template, as '{\"enable_thinking\": false}'",
    )


def _how(arguments: argparse.Namespace) -> "How":
    from dpoq_lab.columns import How

    return How(**{name: getattr(arguments, name) for name in (*HOW, "chat_template_kwargs")})


def _add_whole_yield(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--whole-yield",
        action="store_true",
        help="score all that the chat template writes after the prompt, as TRL does (default: the actions)",
    )


def _add_study(commands: argparse._SubParsersAction) -> None:
    study = commands.add_parser("study", help="run again a study that a lesson quotes, and write its record")
    study.add_argument("name", metavar="NAME", choices=STUDIES, help=", ".join(STUDIES))
    study.add_argument(
        "--out", required=True, type=values.folder, metavar="DIR", help="the folder for NAME.json"
    )
    study.add_argument("--seeds", type=values.positive_int, default=5, help="how many seeds (5)")
    study.add_argument(
        "--preset",
        default="laptop",
        help="ci, laptop or gpu, as far as the study has it (laptop)",
    )
    study.set_defaults(run_command=_study)


def _add_timetable(commands: argparse._SubParsersAction) -> None:
    timetable = commands.add_parser("timetable", help="a plan for a class: lessons, minutes, what to ask")
    timetable.add_argument(
        "minutes", type=values.positive_int, help="how long the class is: 50, 90, 180, ..."
    )
    timetable.set_defaults(run_command=_timetable)


def _add_doctor(commands: argparse._SubParsersAction) -> None:
    doctor = commands.add_parser("doctor", help="what this machine has, and a fix for each thing missing")
    doctor.add_argument("--fetch", action="store_true", help="fetch SmolLM2-135M ahead of a class")
    doctor.add_argument("--json", action="store_true", help="print JSON")
    doctor.set_defaults(run_command=_doctor)


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
    _say(report.text())
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
        _say(summary_line(record))
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
        _say(summary_lines(summary, arguments.out, problems))
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
    _say("\n".join([*told, *verdict_lines(found), str(page)]))
    return 0


def _study(arguments: argparse.Namespace) -> int:
    from dpoq_lab.commands.study import find_study
    from dpoq_lab.lessons.study import run_study

    study = find_study(arguments.name)
    if arguments.preset not in study.sizes:
        raise Misuse(
            f"study {arguments.name} has no preset {arguments.preset!r}, only {', '.join(study.sizes)}"
        )
    _say(run_study(study, arguments.name, arguments.out, arguments.seeds, arguments.preset))
    return 0


def _timetable(arguments: argparse.Namespace) -> int:
    from dpoq_lab.commands.timetable import plan, plan_text
    from dpoq_lab.lessons.lecture import lectures

    slots = plan(lectures(), arguments.minutes)
    if not slots:
        raise Misuse(f"no lesson fits into {arguments.minutes} minutes")
    _say(plan_text(slots, arguments.minutes))
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    import json

    from dpoq_lab.commands.doctor import examine, report_lines

    findings = examine(fetch=arguments.fetch)
    _say(json.dumps(findings, indent=1) if arguments.json else report_lines(findings))
    return 0 if findings["ready"] else 1


def _refuse_unused(arguments: argparse.Namespace, without: str, *names: str) -> None:
    """Raise Misuse for a flag that would change nothing."""
    for name in names:
        if getattr(arguments, name):
            raise Misuse(f"--{name.replace('_', '-')} says nothing without {without}")
