"""What each command hands on: every option to its own place, every default as it is said."""

import json
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from dpoq_lab.columns import How
from dpoq_lab.commands import cli
from dpoq_lab.commands.train import Request
from dpoq_lab.presets import find_preset


@pytest.fixture
def called(monkeypatch):
    """Run a command and return what it has called: its arguments by place and by name."""

    def calls(where, *words, gives=None):
        got = []

        def spy(*given, **named):
            got.append((given, named))
            if gives is None:
                raise RuntimeError("called")
            return gives

        monkeypatch.setattr(where, spy)
        status = cli.main([str(word) for word in words])
        assert status == (1 if gives is None else 0)
        [(given, named)] = got
        return given, named

    return calls


def test_check(called):
    gives = SimpleNamespace(text=lambda: "told", problems=[])
    given, named = called("dpoq_lab.commands.check.check", "check", "a.jsonl", gives=gives)
    assert (given, named) == (("a.jsonl", None, 512, How(), None, None), {})
    words = ["--model", "m", "--max-length", 7, "--held-out", "h.jsonl", "--chat-template", "t"]
    given, _ = called("dpoq_lab.commands.check.check", "check", "a.jsonl", *words, gives=gives)
    assert (given[:3], given[4:]) == (("a.jsonl", "m", 7), ("h.jsonl", "t"))


def test_a_problem_is_a_failure(monkeypatch, capsys):
    report = SimpleNamespace(text=lambda: "told", problems=["one"])
    monkeypatch.setattr("dpoq_lab.commands.check.check", lambda *_: report)
    assert cli.main(["check", "a.jsonl"]) == 1
    assert capsys.readouterr().out == "told\n"


def test_train(called, capsys, monkeypatch):
    """Its request and preset; another process of a launch tells nothing."""
    monkeypatch.setattr("dpoq_lab.commands.train.summary_line", lambda record: f"told {record}")
    words, where = ["train", "--pairs", "p", "--out", "o", "--preset", "ci"], "dpoq_lab.commands.train.run"
    given, _ = called(where, *words, gives={"a": 1})
    assert given == (Request(find_preset("ci").model, "p", Path("o")), find_preset("ci"))
    assert capsys.readouterr().out == "told {'a': 1}\n"
    options = {"method": "cpl", "reference": "ref", "beta": 0.3, "lr": 0.5, "epochs": 2, "batch_size": 3}
    options |= {"seed": 4, "held_out": 0.25, "max_length": 9, "chat_template": "t"}
    words += [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]
    monkeypatch.setenv("RANK", "1")
    more = ["--model", "m", "--resume", "--whole-yield", "--split", "s"]
    (request, _), _ = called(where, *words, *more, gives={"a": 1})
    flags = {"resume": True, "whole_yield": True, "how": How(split="s")}
    assert request == Request("m", "p", Path("o"), **options, **flags)
    assert capsys.readouterr().out == ""


INSPECT = ("inspect", "--policy", "pi", "--reference", "ref", "--pairs", "a.jsonl", "--out", "o")


def test_inspect(called, capsys, monkeypatch):
    _, named = called("dpoq_lab.commands.inspect.inspect", *INSPECT)
    assert named == {
        **{
            "policy": "pi",
            "reference": "ref",
            "rows": "a.jsonl",
            "out": Path("o"),
            "beta": 0.1,
            "how": How(),
        },
        **{"limit": None, "max_length": 512, "whole_yield": False, "dtype": "float32", "chat_template": None},
    }
    words = ["--beta", 0.3, "--limit", 5, "--max-length", 9, "--whole-yield", "--dtype", "bfloat16"]
    _, named = called("dpoq_lab.commands.inspect.inspect", *INSPECT, *words)
    asked = ("beta", "limit", "max_length", "whole_yield", "dtype")
    assert [named[name] for name in asked] == [0.3, 5, 9, True, "bfloat16"]
    monkeypatch.setattr("dpoq_lab.commands.inspect.summary_lines", lambda *given: f"{given}")
    capsys.readouterr()
    called("dpoq_lab.commands.inspect.inspect", *INSPECT, gives=({"a": 1}, ["left out"]))
    assert capsys.readouterr().out == f"{({'a': 1}, Path('o'), ['left out'])}\n"
    called("dpoq_lab.commands.inspect.inspect", *INSPECT, gives=())  # another process tells
    assert capsys.readouterr().out == ""


def test_the_reference_of_an_adapter_is_its_base(called, monkeypatch):
    monkeypatch.setattr("dpoq_lab.models.base_of", {"pi": "base"}.get)
    words = [word for word in INSPECT if word not in ("--reference", "ref")]
    assert called("dpoq_lab.commands.inspect.inspect", *words)[1]["reference"] == "base"
    assert cli.main(["other" if word == "pi" else word for word in words]) == 2


def test_diagnose(called, capsys):
    found = SimpleNamespace(findings=[], missing=[], verdict="can't tell")
    words = ["diagnose", "run", "--pairs", "a.jsonl", "--reference", "ref", "--out", "o", "--limit", 3]
    _, named = called(
        "dpoq_lab.commands.diagnose.diagnose_run", *words, gives=(found, ["one", "two"], Path("page"))
    )
    asked = ("run", "inspected", "pairs", "reference", "out", "limit")
    assert [named[name] for name in asked] == [Path("run"), None, "a.jsonl", "ref", Path("o"), 3]
    out = capsys.readouterr().out.splitlines()
    assert (out[:2], out[-1]) == (["one", "two"], "page")
    assert out[2].startswith("can't tell: ")
    assert cli.main(["diagnose", "run", "--inspected", "x", "--pairs", "y"]) == 2


def test_doctor_is_ready_or_fails(called, capsys, monkeypatch):
    findings = {"ready": True, "fixes": []}
    _, named = called("dpoq_lab.commands.doctor.examine", "doctor", "--json", gives=findings)
    assert (named, json.loads(capsys.readouterr().out)) == ({"fetch": False}, findings)
    _, named = called("dpoq_lab.commands.doctor.examine", "doctor", "--fetch", gives=findings)
    assert (named, capsys.readouterr().out) == ({"fetch": True}, "         ready  True\n")
    monkeypatch.setattr("dpoq_lab.commands.doctor.examine", lambda fetch: findings | {"ready": False})
    assert cli.main(["doctor"]) == 1


def test_study_and_timetable(called, capsys):
    where = "dpoq_lab.lessons.study.run_study"
    given, _ = called(
        where, "study", "sweep", "--out", "o", "--seeds", 4, "--preset", "laptop", gives="table"
    )
    assert given[1:] == ("sweep", Path("o"), 4, "laptop")
    assert capsys.readouterr().out == "table\n"
    given, _ = called("dpoq_lab.commands.timetable.plan_text", "timetable", 90, gives="plan")
    assert given[1] == 90
    assert cli.main(["timetable", "1"]) == 2


def test_the_lab_takes_the_place_of_the_command(monkeypatch):
    started = []
    monkeypatch.setattr("os.execve", lambda *given: started.append(given))
    cli.main(["--no-browser", "--port", "7", "--ip", "0.0.0.0"])
    [(program, command, environment)] = started
    assert program == command[0]
    assert {"--no-browser", "--ServerApp.port=7", "--ServerApp.ip=0.0.0.0"} <= set(command)
    assert "JUPYTER_CONFIG_PATH" in environment


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (cli.Misuse("a b"), 2, "a b"),
        (KeyboardInterrupt(), 1, "interrupted"),
        (ValueError("one\n  two"), 1, "one two"),
        (RuntimeError(), 1, "RuntimeError: no more is known (DPOQ_DEBUG=1 shows where)"),
        (OSError("gone"), 1, "gone"),
    ],
)
def test_an_error_is_one_line_and_a_status(monkeypatch, capsys, error, status, told):
    def fails(*_):
        raise error

    monkeypatch.setattr("dpoq_lab.commands.check.check", fails)
    assert cli.main(["check", "a"]) == status
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"dpoq-lab: error: {told}\n")
    if isinstance(error, ValueError | OSError) and status == 1:
        monkeypatch.setenv("DPOQ_DEBUG", "1")
        with pytest.raises(type(error)):
            cli.main(["check", "a"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["check", ""], "argument PAIRS: must be a name, not empty (see dpoq-lab check --help)"),
        (
            ["check", "p", "--model", ""],
            "argument --model: must be a name, not empty (see dpoq-lab check --help)",
        ),
        (["--ip", ""], "argument --ip: must be a name, not empty (see dpoq-lab --help)"),
        (
            ["timetable", "0"],
            "argument minutes: must be a whole number from 1 to 1,000,000,000, not 0 (see dpoq-lab "
            "timetable --help)",
        ),
    ],
)
def test_a_word_that_is_refused_is_told_with_its_option_and_where_help_is(capsys, words, told):
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert (caught.value.code, capsys.readouterr().err) == (2, f"dpoq-lab: error: {told}\n")


def test_an_error_of_a_file_names_it_and_a_long_one_is_cut(monkeypatch, capsys):
    for error, told in (
        (FileNotFoundError(2, "No such file", "a/b"), "a/b: No such file"),
        (OSError(28, "No space left"), "[Errno 28] No space left"),
        (TypeError("odd"), "TypeError: odd (DPOQ_DEBUG=1 shows where)"),
        (ValueError("x" * 501), f"{'x' * 500} ... (501 characters)"),
        (ValueError(), "ValueError: no more is known (DPOQ_DEBUG=1 shows where)"),
    ):
        monkeypatch.setattr("dpoq_lab.commands.check.check", Mock(side_effect=error))
        assert cli.main(["check", "a"]) == 1
        assert capsys.readouterr().err == f"dpoq-lab: error: {told}\n"


def test_what_a_study_takes_if_nothing_is_said(called):
    given, _ = called("dpoq_lab.lessons.study.run_study", "study", "sweep", "--out", "o", gives="table")
    assert given[1:] == ("sweep", Path("o"), 5, "laptop")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("study sweep --out o --preset none", "study sweep has no preset 'none', only "),
        ("timetable 1", "no lesson fits into 1 minutes"),
        (
            "diagnose run --inspected a --pairs b",
            "--inspected and --pairs are two ways to the same: give one of them",
        ),
        ("check p --chat-template t", "--chat-template says nothing without --model"),
        # of several the first as the help has them, whatever was said first
        ('check p --chat-template-kwargs {"a":1} --chat-template t', "--chat-template says nothing without"),
        ("check p --chat-template t --max-length 9", "--max-length says nothing without --model"),
        ('check p --chat-template-kwargs {"a":1}', "--chat-template-kwargs says nothing without --model"),
        ("diagnose run --limit 3 --max-length 9", "--max-length says nothing without --pairs"),
        ("diagnose run --reference r", "--reference says nothing without --pairs"),
        ("--ip 1.2.3.4 check p", "--port, --ip and --no-browser are for the lessons, not for a command"),
        ("--no-browser check p", "--port, --ip and --no-browser are for the lessons, not for a command"),
    ],
)
def test_misuse_is_told_and_status_2(capsys, words, told):
    assert cli.main(words.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"dpoq-lab: error: {told}")
