"""Every flag of every command reaches the function that does the work, by its name and its value."""

import argparse
from pathlib import Path

import pytest

from dpoq_lab.columns import How
from dpoq_lab.commands import cli
from dpoq_lab.commands.arguments import parser

HOW = {  # flag -> its value as written, and as the function gets it
    "--prompt-field": ("question", "question"),
    "--chosen-field": ("good", "good"),
    "--rejected-field": ("bad", "bad"),
    "--split": ("test", "test"),
    "--config": ("en", "en"),
    "--chat-template-kwargs": ('{"thinking": false}', {"thinking": False}),
}
TRAIN = {
    "--pairs": ("p.jsonl", "p.jsonl"),
    "--out": ("o", Path("o")),
    "--model": ("m", "m"),
    "--method": ("cpl", "cpl"),
    "--reference": ("r", "r"),
    "--beta": ("0.25", 0.25),
    "--lr": ("0.0003", 0.0003),
    "--epochs": ("4", 4),
    "--batch-size": ("6", 6),
    "--seed": ("7", 7),
    "--held-out": ("0.4", 0.4),
    "--max-length": ("99", 99),
    "--chat-template": ("t.jinja", "t.jinja"),
    "--whole-yield": (None, True),
    "--resume": (None, True),
}
INSPECT = {
    "--policy": ("m", "m"),
    "--reference": ("r", "r"),
    "--pairs": ("p.jsonl", "p.jsonl"),
    "--out": ("o", Path("o")),
    "--beta": ("0.25", 0.25),
    "--max-length": ("99", 99),
    "--dtype": ("bfloat16", "bfloat16"),
    "--limit": ("8", 8),
    "--chat-template": ("t.jinja", "t.jinja"),
    "--whole-yield": (None, True),
}
DIAGNOSE = {
    "--pairs": ("p.jsonl", "p.jsonl"),
    "--reference": ("r", "r"),
    "--out": ("o", Path("o")),
    "--beta": ("0.25", 0.25),
    "--max-length": ("99", 99),
    "--limit": ("8", 8),
    "--chat-template": ("t.jinja", "t.jinja"),
    "--whole-yield": (None, True),
}
CHECK = {
    "--model": ("m", "m"),
    "--max-length": ("99", 99),
    "--held-out": ("h.jsonl", "h.jsonl"),
    "--chat-template": ("t.jinja", "t.jinja"),
}
ELSEWHERE = {  # flags that choose what is called and are no argument of it
    "train": {"--preset"},
    "diagnose": {"--inspected"},
    "doctor": {"--fetch", "--json"},
    "study": {"--out", "--seeds", "--preset"},
}


def words(command, flags, *more):
    """A command line of these flags."""
    told = [word for flag, (text, _) in flags.items() for word in ((flag,) if text is None else (flag, text))]
    return [command, *more, *told]


def name_of(flag):
    return flag.removeprefix("--").replace("-", "_")


def expected(flags):
    return {name_of(flag): value for flag, (_, value) in flags.items()}


@pytest.fixture
def called(monkeypatch):
    """What the functions behind the commands are called with, as one dict; they do nothing."""
    from dpoq_lab.commands import check, diagnose, inspect, train

    found = {}

    def spy(*arguments, **options):
        found.update(options, positional=arguments)
        raise argparse.ArgumentTypeError("stopped here")

    monkeypatch.setattr(train, "run", lambda request, preset: spy(preset, **vars(request)))
    monkeypatch.setattr(inspect, "inspect", spy)
    monkeypatch.setattr(diagnose, "diagnose_run", spy)
    monkeypatch.setattr(check, "check", spy)
    return found


def stop(command_line):
    """Run it as far as the spy."""
    assert cli.main(command_line) == 1


def test_train(called, capsys):
    stop(words("train", TRAIN | HOW, "--preset", "ci"))
    how = called.pop("how")
    assert how == How(**expected(HOW))
    assert called.pop("positional")[0].name == "ci"
    assert called == expected(TRAIN)


def test_inspect(called, capsys):
    stop(words("inspect", INSPECT | HOW))
    assert called.pop("how") == How(**expected(HOW))
    del called["positional"]
    rows = expected(INSPECT)
    assert called == rows | {"rows": rows.pop("pairs")}


def test_diagnose(called, capsys):
    stop(words("diagnose", DIAGNOSE | HOW, "run"))
    assert called.pop("how") == How(**expected(HOW))
    del called["positional"]
    assert called == expected(DIAGNOSE) | {"run": Path("run"), "inspected": None}
    stop(["diagnose", "run", "--inspected", "seen"])
    assert called["inspected"] == Path("seen")


def test_check(called, capsys):
    stop(words("check", CHECK | HOW, "p.jsonl"))
    assert called["positional"] == ("p.jsonl", "m", 99, How(**expected(HOW)), "h.jsonl", "t.jinja")


def test_no_flag_is_missing_here():
    top = parser()
    (commands,) = (action for action in top._actions if isinstance(action.choices, dict))
    tables = {
        "train": TRAIN | HOW,
        "inspect": INSPECT | HOW,
        "diagnose": DIAGNOSE | HOW,
        "check": CHECK | HOW,
    }
    for name, command in commands.choices.items():
        flags = {flag for flag in command._option_string_actions if flag.startswith("--")} - {"--help"}
        assert flags == set(tables.get(name, {})) | ELSEWHERE.get(name, set()), name
