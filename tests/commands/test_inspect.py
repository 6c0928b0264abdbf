"""`inspect`: what was stopped goes on, what is another's stays, several processes share the work."""

import json
import os
from hashlib import sha256
from itertools import count
from types import SimpleNamespace

import pytest
import torch

from dpoq_lab import models
from dpoq_lab.columns import BY_NAME
from dpoq_lab.commands import cli, scorer
from dpoq_lab.commands import inspect as module
from dpoq_lab.commands.claim import claimed
from dpoq_lab.commands.scored import FILES, score
from dpoq_lab.commands.unfinished import Unfinished
from dpoq_lab.preferences import SIDES
from dpoq_lab.sources import PairsError


@pytest.fixture
def many(folders, monkeypatch):
    """Eleven pairs, one of them not usable, in chunks of four records; the words of the command."""
    monkeypatch.setattr(scorer, "CHUNK", 4)
    rows = [
        {"prompt": f"Sky {k}?\n", "chosen": "Blue. " * (k + 1), "rejected": f"Soup {k}."} for k in range(11)
    ]
    del rows[5]["rejected"]
    (folders / "many.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    names = {"policy": "policy", "reference": "reference", "pairs": "many.jsonl"}
    words = [word for option, name in names.items() for word in (f"--{option}", str(folders / name))]
    return folders, ["inspect", *words]


def outputs(out):
    summary = json.loads((out / "summary.json").read_text())
    del summary["provenance"]
    return summary, (out / "tokens.jsonl").read_text(), (out / "report.html").read_text()


def test_what_was_stopped_goes_on_where_it_was_and_ends_the_same(many, monkeypatch, capsys):
    folder, words = many
    assert cli.main([*words, "--out", str(folder / "whole")]) == 0
    calls = []
    whole = scorer.score_pairs

    def stops_at_the_second(*arguments):
        calls.append(len(arguments[-1]))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(scorer, "score_pairs", stops_at_the_second)
    assert cli.main([*words, "--out", str(folder / "stopped")]) == 1
    assert [path.name for path in (folder / "stopped").iterdir()] == ["unfinished"]
    assert cli.main([*words, "--out", str(folder / "stopped")]) == 0
    assert calls == [4, 3, 3, 3]  # the first chunk is not scored again
    assert outputs(folder / "stopped") == outputs(folder / "whole")
    assert sorted(path.name for path in (folder / "stopped").iterdir()) == sorted(FILES)
    capsys.readouterr()


@pytest.mark.parametrize("changed", ["beta", "pairs", "model"])
def test_something_else_does_not_go_on_from_it(many, monkeypatch, capsys, changed):
    folder, words = many
    words += ["--out", str(folder / "stopped")]
    with monkeypatch.context() as patch:
        stop_after_one(patch)
        assert cli.main(words) == 1
    if changed == "beta":
        words += ["--beta", "0.2"]
    elif changed == "pairs":
        (folder / "many.jsonl").write_text((folder / "many.jsonl").read_text() + "\n")
    else:
        models.save(models.tiny(seed=4), models.tiny_tokenizer(), folder / "policy")
    capsys.readouterr()
    assert cli.main(words) == 1
    name = "policy" if changed == "model" else changed
    assert f"holds unfinished work with another {name}: delete it" in capsys.readouterr().err


def test_results_below_the_policy_do_not_make_it_another(many, monkeypatch):
    """`diagnose` writes into the run that it scores."""
    folder, words = many
    words += ["--out", str(folder / "policy" / "diagnosis")]
    with monkeypatch.context() as patch:
        stop_after_one(patch)
        assert cli.main(words) == 1
    assert cli.main(words) == 0


def stop_after_one(patch):
    """A kill in the second chunk."""
    calls, whole = [], scorer.score_pairs

    def score_once(*arguments):
        calls.append(arguments)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return whole(*arguments)

    patch.setattr(scorer, "score_pairs", score_once)


def broken(*_):
    raise RuntimeError("no memory")


def test_results_and_files_of_others_are_not_written_over(many, capsys):
    folder, words = many
    words += ["--out", str(folder / "out")]
    assert cli.main(words) == 0
    before = outputs(folder / "out")
    capsys.readouterr()
    for out, held in (("out", "report.html"), ("mine", "report.html"), ("theirs", "thesis.txt")):
        (folder / out).mkdir(exist_ok=True)
        (folder / out / held).touch()
        assert cli.main([*words[:-1], str(folder / out)]) == 1
        assert f"{out}: holds {held}: choose another folder" in capsys.readouterr().err
    assert outputs(folder / "out") == before


def test_a_failure_before_the_first_chunk_leaves_nothing(many, monkeypatch, capsys):
    folder, words = many
    monkeypatch.setattr(scorer, "score_pairs", broken)
    assert cli.main([*words, "--out", str(folder / "deep" / "out")]) == 1
    assert not (folder / "deep").exists()


def test_a_kill_between_two_files_is_mended_by_the_same_command(many, monkeypatch, capsys):
    """tokens.jsonl is in place and the other files are not."""
    folder, words = many
    words += ["--out", str(folder / "out")]

    def killed(self, names):
        (self.folder / "tokens.jsonl").replace(self.out / "tokens.jsonl")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Unfinished, "finish", killed)
        assert cli.main(words) == 1
    assert cli.main(words) == 0
    assert sorted(path.name for path in (folder / "out").iterdir()) == sorted(FILES)
    capsys.readouterr()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}', '{"problems": []}\n{"pair": 0'])
def test_a_damaged_chunk_is_named_and_kept(many, monkeypatch, capsys, text):
    folder, words = many
    words += ["--out", str(folder / "out")]
    with monkeypatch.context() as patch:
        patch.setattr(Unfinished, "finish", broken)
        assert cli.main(words) == 1
    chunk = folder / "out" / "unfinished" / "chunk-000001.jsonl"
    chunk.write_text(text)
    capsys.readouterr()
    assert cli.main(words) == 1
    assert "chunk-000001.jsonl: is damaged: delete" in capsys.readouterr().err.splitlines()[-1]
    assert chunk.read_text() == text


def test_a_folder_of_that_name_that_is_not_ours_stays(many, capsys):
    folder, words = many
    (folder / "out" / "unfinished").mkdir(parents=True)
    (folder / "out" / "unfinished" / "thesis.txt").write_text("mine")
    assert cli.main([*words, "--out", str(folder / "out")]) == 1
    assert (folder / "out" / "unfinished" / "thesis.txt").read_text() == "mine"
    capsys.readouterr()


def test_a_bar_shows_how_far_it_is(many, capsys):
    folder, words = many
    assert cli.main([*words, "--out", str(folder / "out")]) == 0
    assert "scoring: 100%" in capsys.readouterr().err


def test_two_do_not_write_one_folder(many, capsys):
    folder, words = many
    with claimed(folder / "out"):
        assert cli.main([*words, "--out", str(folder / "out")]) == 1
    assert "out: another process is writing here" in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_the_command_and_the_function_give_the_same(many, capsys):
    folder, words = many
    assert cli.main([*words, "--out", str(folder / "command"), "--limit", "7"]) == 0
    told = capsys.readouterr().out
    assert f"{folder}/many.jsonl:6: rejected: is missing" in told
    assert "1 pairs left out" in told
    names = [str(folder / name) for name in ("policy", "reference", "many.jsonl")]
    scored = score(*names, limit=7)
    assert len(scored.pairs) == 7
    scored.write(folder / "function")
    (one, tokens, _), (other, expected, _) = outputs(folder / "command"), outputs(folder / "function")
    assert tokens == expected
    assert one["margin_mean"] == pytest.approx(other["margin_mean"], abs=1e-5)
    assert one["reward_parts"][0]["changed"] == pytest.approx(other["reward_parts"][0]["changed"], abs=1e-5)
    assert one.keys() == other.keys()
    numbers = [json.loads(line)["pair"] for line in tokens.splitlines()]
    assert numbers == [k for k in range(7) for _ in SIDES]


def test_pairs_are_read_as_they_are_used():
    """An endless source gives its first chunk; with a limit it ends."""
    endless = ({"prompt": f"{k} is", "chosen": " so", "rejected": " not"} for k in count())
    assert len(next(scorer.chunks(endless, BY_NAME, None))) == scorer.CHUNK
    assert sum(map(len, scorer.chunks(endless, BY_NAME, 700))) == 700


def test_none_usable_is_one_line_and_loads_no_model(many, capsys, monkeypatch):
    folder, words = many
    (folder / "many.jsonl").write_text('{"prompt": "x", "chosen": "y"}\n' * 9)
    monkeypatch.setattr(models, "load_frozen", lambda *_: pytest.fail("loaded"))
    assert cli.main([*words, "--out", str(folder / "none")]) == 1
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .endswith(f"no usable pair; first problem: {folder}/many.jsonl:1: rejected: is missing")
    )
    assert not (folder / "none").exists()


@pytest.mark.parametrize("rows", [[], [{"prompt": "x", "chosen": "y"}] * 2])
def test_none_usable_is_the_same_in_python_and_for_a_file_without_rows(rows, many, tiny, tokenizer, capsys):
    with pytest.raises(PairsError) as caught:
        score(tiny, tiny, rows, tokenizer)
    said = "row 1: rejected: is missing" if rows else "rows: holds no pairs"
    assert str(caught.value) == f"no usable pair; first problem: {said}"
    folder, words = many
    path = folder / "many.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert cli.main([*words, "--out", str(folder / "none")]) == 1
    said = f"{path}:1: rejected: is missing" if rows else f"{path}: holds no pairs"
    assert capsys.readouterr().err.splitlines()[-1].endswith(f"no usable pair; first problem: {said}")
    assert not (folder / "none").exists()


def test_the_first_process_claims_the_folder_and_all_are_asked_the_same(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(module, "_inspect", lambda *given, **named: asked.append((given, named)) or "done")
    given = ("pi", "ref", "pairs", tmp_path / "out", 0.3, BY_NAME, 5)
    for first in (True, False):
        monkeypatch.setattr(
            "accelerate.PartialState", lambda first=first: SimpleNamespace(is_main_process=first)
        )
        assert module.inspect(*given, max_length=9) == "done"
        assert asked.pop() == (given, {"max_length": 9})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.html").touch()
    monkeypatch.setattr("accelerate.PartialState", lambda: SimpleNamespace(is_main_process=True))
    with pytest.raises(module.ClaimError, match=r"out: holds report.html: choose another folder"):
        module.inspect(*given)
    assert module.inspect(*given, replace=True, max_length=9) == "done"
    assert asked.pop() == (given, {"max_length": 9})


def test_a_process_scores_its_share_of_the_chunks_and_tells_nothing(many, monkeypatch):
    """The second of two: of three chunks the middle one, and not again where it lies."""
    folder, _ = many
    waited, scored = [], []
    process = SimpleNamespace(is_main_process=False, process_index=1, num_processes=2)
    process.device = torch.device("cpu")
    process.wait_for_everyone = lambda: waited.append(1)
    monkeypatch.setattr("accelerate.PartialState", lambda: process)
    whole = scorer.score_pairs
    monkeypatch.setattr(scorer, "score_pairs", lambda *given: (scored.append(1), whole(*given))[1])
    (folder / "out" / "unfinished").mkdir(parents=True)
    names = [str(folder / name) for name in ("policy", "reference", "many.jsonl")]
    for _ in range(2):
        assert module._inspect(*names, folder / "out", 0.1, BY_NAME, None) is None
        assert [path.name for path in (folder / "out" / "unfinished").iterdir()] == ["chunk-000001.jsonl"]
    assert (len(scored), len(waited)) == (1, 4)


def test_what_stands_behind_a_name(tmp_path):
    """A file by its content; a folder by its files' names, sizes and dates, as deep as asked; or the name."""
    (tmp_path / "a").write_text("text")
    assert module._content(str(tmp_path / "a")) == sha256(b"text").hexdigest()
    assert (module._content("tiny"), module._content(None)) == ("tiny", None)
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "a").touch()
    seen = [module._content(str(folder)), module._content(str(folder), "**/*")]
    (folder / "deep" / "b").touch()
    assert module._content(str(folder)) == seen[0]
    assert module._content(str(folder), "**/*") != seen[1]
    os.utime(folder / "a", (1, 1))
    assert module._content(str(folder)) != seen[0]
