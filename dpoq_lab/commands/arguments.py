"""What can be asked on the command line: the commands, their arguments, and a help text for each."""

import argparse
from typing import Any, NoReturn

from dpoq_lab.commands import values
from dpoq_lab.commands.study import STUDIES
from dpoq_lab.commands.terminal import fail

METHODS = ("dpo", "sft", "cpl")
DTYPES = ("float32", "bfloat16", "float16")
HOW = {
    "prompt_field": "the column of the prompt, where its name does not say so",
    "chosen_field": "the column of the preferred reply",
    "rejected_field": "the column of the other reply",
    "split": "the split of a dataset that has several (default: train)",
    "config": "the config of a dataset that has several",
}


class _Parser(argparse.ArgumentParser):
    """Its error is one line, and no text is empty."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.register("type", None, values.name)

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        raise SystemExit(fail(f"{message} (see {self.prog} --help)", status=2))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = _Parser(prog="dpoq-lab", description="Without a command: open the lessons in JupyterLab.")
    top.add_argument("--no-browser", action="store_true", help="print the address, open no browser")
    top.add_argument("--port", type=values.port, help="the port of JupyterLab")
    top.add_argument("--ip", help="the address JupyterLab listens on (default 127.0.0.1)")
    commands: Any = top.add_subparsers(title="commands", metavar="COMMAND", dest="command")
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


def _add_timetable(commands: argparse._SubParsersAction) -> None:
    timetable = commands.add_parser("timetable", help="a plan for a class: lessons, minutes, what to ask")
    timetable.add_argument(
        "minutes", type=values.positive_int, help="how long the class is: 50, 90, 180, ..."
    )


def _add_doctor(commands: argparse._SubParsersAction) -> None:
    doctor = commands.add_parser("doctor", help="what this machine has, and a fix for each thing missing")
    doctor.add_argument("--fetch", action="store_true", help="fetch SmolLM2-135M ahead of a class")
    doctor.add_argument("--json", action="store_true", help="print JSON")
