"""The audit of a preference file: each line by a hand-made file, and `check` as a whole."""

from dpoq_lab.commands import cli
from dpoq_lab.commands.audit import audit, left_out
from dpoq_lab.preferences import Pair, write_pairs

ONE = Pair("Sky?", "Blue, at noon.", "Soup.")


def test_clean_pairs_have_sizes_only():
    [line] = audit([ONE, Pair("Sea?", "Green.", "Green soup.")])
    assert (
        line == "chosen is the longer reply in 50%; both begin alike for 23% of their length"
    )  # 0 and 5 of 11


def test_contradictions_and_repeats_are_counted():
    lines = audit([ONE, ONE, Pair("Sky?", "Soup.", "Blue, at noon."), Pair("Sea?", "a", "b")])
    assert lines[0] == "3 of 4 pairs stand in the file the other way round too: their labels contradict"
    assert lines[1] == "1 of 4 pairs are repeats of another one"


def test_ties_and_turned_scores_are_counted_of_the_rated():
    rated = [Pair("a", "b", "c", scores=s) for s in ((8, 2), (5, 5), (2, 8), (1, 3))]
    lines = audit([*rated, ONE])
    assert "1 of 4 rated pairs have the same score on both sides" in lines
    assert "2 of 4 rated pairs have the higher score on the rejected side" in lines


def test_prompts_that_are_held_out_too():
    lines = audit([ONE], [Pair("Sky?", "x", "y"), Pair("Sea?", "x", "y")])
    assert lines[0] == "1 of 2 held-out pairs have a prompt that is in the file too"


def test_check_shows_a_pair_and_says_what_is_not_read(tmp_path, capsys):
    write_pairs([ONE, ONE], tmp_path / "pairs.jsonl")
    text = (tmp_path / "pairs.jsonl").read_text().replace('"rejected"', '"persona": "a pirate", "rejected"')
    (tmp_path / "pairs.jsonl").write_text(text)
    assert (
        cli.main(["check", str(tmp_path / "pairs.jsonl"), "--held-out", str(tmp_path / "pairs.jsonl")]) == 0
    )
    said = capsys.readouterr().out
    assert "  prompt: Sky?" in said
    assert "column persona is not read: 2 of 2 pairs" in said
    assert "1 of 2 pairs are repeats" in said
    assert "2 of 2 held-out pairs" in said


def test_check_marks_the_actions_of_the_first_pair(tmp_path, capsys):
    start = "\n\nHuman: Sky?\n\nAssistant:"
    turns = [
        {"role": "assistant", "content": " When?"},
        {"role": "user", "content": "\n\nHuman: Now.\n\nAssistant:"},
    ]
    pair = Pair(start, [*turns, {"role": "assistant", "content": " Blue."}], " Soup.")
    write_pairs([pair], tmp_path / "pairs.jsonl")
    assert cli.main(["check", str(tmp_path / "pairs.jsonl"), "--model", "tiny"]) == 0
    [chosen] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  chosen:")]
    assert "[·When][?]↵↵H" in chosen
    assert chosen.endswith("[⟨EOS⟩]")


def test_columns_are_named_on_the_command_line(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("text,good,bad\nSky?,Blue.,Soup.\n")
    named = ["--prompt-field", "text", "--chosen-field", "good", "--rejected-field", "bad"]
    assert cli.main(["check", str(tmp_path / "a.csv"), *named]) == 0
    assert cli.main(["check", str(tmp_path / "a.csv")]) == 1
    assert "chosen: is missing" in capsys.readouterr().out


def test_train_and_inspect_name_the_pair_that_they_leave_out(tmp_path, capsys):
    """One bad pair of five, and a column that nobody reads: said by all three; the rest goes on."""
    rows = [
        f'{{"prompt": "Sky {k}?", "chosen": "Blue.", "rejected": "Soup.", "persona": "x"}}' for k in range(5)
    ]
    rows[2] = rows[2].replace('"Soup."', "null")
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(rows))
    assert cli.main(["check", str(path)]) == 1
    inspect = ["inspect", "--policy", "tiny", "--reference", "tiny", "--pairs", str(path)]
    assert cli.main([*inspect, "--out", str(tmp_path / "seen")]) == 0
    train = ["train", "--preset", "ci", "--model", "tiny", "--pairs", str(path), "--max-length", "64"]
    assert cli.main([*train, "--out", str(tmp_path / "run"), "--held-out", "0"]) == 0
    said = capsys.readouterr().out
    assert said.count("pairs.jsonl:3: rejected: is null, not a string") == 3
    assert said.count("column persona is not read: 4 of 4 pairs") == 3


def test_inspect_stops_at_a_limit(tmp_path, capsys):
    write_pairs(
        [ONE, Pair("Sea?", "Green.", "Soup."), Pair("Snow?", "White.", "Soup.")], tmp_path / "pairs.jsonl"
    )
    inspect = ["inspect", "--policy", "tiny", "--reference", "tiny", "--pairs", str(tmp_path / "pairs.jsonl")]
    assert cli.main([*inspect, "--out", str(tmp_path / "seen"), "--limit", "2"]) == 0
    assert "2 pairs)" in capsys.readouterr().out


def test_replies_of_one_length_are_half_longer_and_sharing_is_of_the_longer():
    """Equal (shares 1 of 2), longer (2 of 4), shorter (0 of 3): (0.5 + 1 + 0) / 3 and (0.5 + 0.5 + 0) / 3."""
    pairs = [Pair("p", "ab", "ac"), Pair("q", "abcd", "ab"), Pair("r", "x", "yyy")]
    assert audit(pairs)[-1] == ("chosen is the longer reply in 50%; both begin alike for 33% of their length")


def test_the_first_ten_problems_are_told_by_name():
    problems, notes = [f"f:{k}: bad" for k in range(12)], {"a is not read": 3, "b": 4}
    noted = ["a is not read: 3 of 7 pairs", "b: 4 of 7 pairs"]
    assert left_out(problems, notes, 7) == [*problems[:10], "12 pairs left out", *noted]
    assert left_out(problems[:1], {}, 7) == ["f:0: bad", "1 pairs left out"]
    assert left_out([], notes, 7) == noted


def test_replies_with_calls_of_tools_are_compared_by_what_they_hold():
    """Two calls of different tools are different replies; words alone are the same as a plain reply."""
    first, second = (
        [{"role": "assistant", "content": None, "tool_calls": [{"name": name}]}] for name in ("a", "b")
    )
    words = [{"role": "assistant", "content": "Blue."}]
    pairs = [Pair("p", first, "c"), Pair("p", second, "c"), Pair("p", words, "c"), Pair("p", "Blue.", "c")]
    assert audit(pairs)[0] == "1 of 4 pairs are repeats of another one"
    chats = [Pair([{"role": "user", "content": name}], "a", "b") for name in "xyx"]
    assert audit(chats)[0] == "1 of 3 pairs are repeats of another one"
    assert audit([]) == []
