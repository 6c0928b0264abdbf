"""`inspect`: numbers that add up, a report that is self-contained and cannot run a reply's text."""

import json
import math
import os
from hashlib import sha256
from itertools import count
from types import SimpleNamespace

import pytest
import torch
from hand_made import one_character_tokens, summarise

from dpoq_lab import models
from dpoq_lab.columns import BY_NAME
from dpoq_lab.commands import cli, scorer
from dpoq_lab.commands import inspect as module
from dpoq_lab.commands.claim import claimed
from dpoq_lab.commands.inspect import FILES, score
from dpoq_lab.commands.unfinished import Unfinished
from dpoq_lab.preferences import SIDES, Pair, write_pairs
from dpoq_lab.sources import PairsError

HOSTILE = '</script><img src=x onerror="alert(1)">'


@pytest.fixture
def folders(tiny, tokenizer, tmp_path):
    models.save(tiny, tokenizer, tmp_path / "policy")
    models.save(models.tiny(seed=1), tokenizer, tmp_path / "reference")
    pairs = [
        Pair(
            [{"role": "user", "content": HOSTILE}], "Yes, gladly.", f"No. {HOSTILE}", rejected_flaws=((0, 2),)
        ),
        Pair([{"role": "user", "content": "Hi"}], "Hello there.", "What now?"),
    ]
    write_pairs(pairs, tmp_path / "pairs.jsonl")
    return tmp_path


def run(folder, **changed):
    arguments = {
        "policy": str(folder / "policy"),
        "reference": str(folder / "reference"),
        "rows": str(folder / "pairs.jsonl"),
        "beta": 0.3,
        "max_length": 256,
    }
    return score(**arguments | changed).write(folder / "out")


def test_every_response_has_a_record_whose_columns_agree(folders):
    run(folders)
    records = [json.loads(line) for line in (folders / "out" / "tokens.jsonl").read_text().splitlines()]
    assert [(r["pair"], r["role"]) for r in records] == [
        (i, role) for i in (0, 1) for role in ("chosen", "rejected")
    ]
    for record in records:
        columns = ("tokens", "token_ids", "offsets", "logp_policy", "logp_reference", "reward")
        assert len({len(record[name]) for name in columns}) == 1
        for r, logp, logp_ref in zip(
            record["reward"], record["logp_policy"], record["logp_reference"], strict=True
        ):
            assert r == pytest.approx(0.3 * (logp - logp_ref), abs=2e-5)


def test_the_summary_is_the_sum_of_the_records(folders):
    summary = run(folders)
    records = [json.loads(line) for line in (folders / "out" / "tokens.jsonl").read_text().splitlines()]
    chosen = [sum(r["reward"]) for r in records if r["role"] == "chosen"]
    assert summary["chosen_reward_sum_mean"] == pytest.approx(sum(chosen) / len(chosen), abs=1e-3)
    assert json.loads((folders / "out" / "summary.json").read_text()) == summary


def test_the_report_is_one_page_that_asks_for_nothing_and_runs_nothing(folders):
    run(folders)
    page = (folders / "out" / "report.html").read_text(encoding="utf-8")
    assert "<img" not in page
    assert "<script" not in page
    assert "src=" not in page.replace("img\u00b7src=x", "").replace("&lt;img src=x", "")
    assert "http" not in page.replace('xmlns="http://www.w3.org/2000/svg"', "")  # a name, not an address
    assert "&lt;img" in page


def test_the_same_name_for_policy_and_reference_gives_no_reward(folders):
    summary = run(folders, reference=str(folders / "policy"))
    assert summary["margin_mean"] == 0.0
    assert summary["pair_accuracy"]["accuracy"] == 0.5
    assert summary["kl_ref_pi_token_mean"] == pytest.approx(0.0, abs=1e-9)


def test_another_vocabulary_is_refused(folders, tokenizer):
    other = models.build_tiny_tokenizer(["a b c"], vocab_size=300)
    models.save(models.tiny(), other, folders / "other")
    with pytest.raises(models.ModelError, match="vocabulary is not the policy's"):
        run(folders, reference=str(folders / "other"))


def test_pairs_without_marks_have_no_marks_in_the_report(tiny, tokenizer, tmp_path):
    row = {"prompt": "Hi\n", "chosen": "Hello.", "rejected": "Bye."}
    summary = score(tiny, tiny, [row], tokenizer).write(tmp_path)
    assert "marks" not in summary["credit"]


def test_summary_by_hand():
    """beta 0.5; chosen gains 2 nats, rejected loses 1: rewards +1 and -0.5, margin 1.5."""
    chosen = one_character_tokens([1, 2], [-1.0, -1.0], [-2.0, -2.0])
    rejected = one_character_tokens([1, 3], [-1.0, -3.0], [-1.0, -2.0], flaws=((1, 2),))
    found = summarise([(chosen, rejected)], beta=0.5)
    assert found["chosen_reward_sum_mean"] == 1.0
    assert found["rejected_reward_sum_mean"] == -0.5
    assert found["margin_mean"] == 1.5
    assert found["pair_accuracy"]["accuracy"] == 1.0


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


def test_what_is_scored_in_python_says_what_the_files_say(folders):
    """Its summary, its page, its tokens by side; a pair that was left out is a problem."""
    rows = [json.loads(line) for line in (folders / "pairs.jsonl").read_text().splitlines()]
    scored = score(
        *(str(folders / name) for name in ("policy", "reference")), [*rows, {"prompt": "x"}], beta=0.3
    )
    assert scored.problems == ["row 3: chosen: is missing"]
    written = scored.write(folders / "out")
    assert scored.summary() == written == json.loads((folders / "out" / "summary.json").read_text())
    assert (written["read"], written["source"], written["beta"]) == (2, "rows in memory", 0.3)
    page = scored.report(str(folders / "page.html"))
    assert page == folders / "page.html"
    assert page.read_text() == (folders / "out" / "report.html").read_text()
    lines = [json.loads(line) for line in (folders / "out" / "tokens.jsonl").read_text().splitlines()]
    for i in (0, 1):
        for side, found in scored.tokens(i).items():
            [line] = [line for line in lines if (line["pair"], line["role"]) == (i, side)]
            assert json.loads(json.dumps(found)) == {name: line[name] for name in found}


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


def test_a_beta_of_another_kind_is_told():
    for beta, error, told in (
        (0, ValueError, "beta is 0; it must be above 0"),
        (math.inf, ValueError, "beta is inf; it must be above 0"),
        (True, TypeError, "beta is a boolean, not a number"),
        ("1", TypeError, "beta is a string, not a number"),
    ):
        with pytest.raises(error) as caught:
            module._check([], beta)
        assert str(caught.value) == told
