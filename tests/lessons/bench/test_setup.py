"""The files of a set-up race: the same pairs in another order each turn, and both sides in step."""

from dpoq_lab.lessons.bench.setup import _files, _in_turn, _ours
from dpoq_lab.models import tiny as build_tiny
from dpoq_lab.preferences import Pair


def test_each_turn_has_the_pairs_in_another_order(tmp_path):
    records = [{"prompt": f"p{k}", "chosen": "a", "rejected": "b"} for k in range(9)]
    files = _files(records, tmp_path / "new", 3)
    lines = [file.read_text().splitlines() for file in files]
    assert sorted(lines[0]) == sorted(lines[1]) == sorted(lines[2])
    assert lines[0] != lines[1] != lines[2] != lines[0]


def test_turns_go_through_the_files_and_begin_again():
    turn = _in_turn(lambda path: path.upper(), ["a", "b"])
    assert [turn() for _ in range(5)] == ["A", "B", "A", "B", "A"]


def test_ours_reads_scores_and_stops_after_a_step(tmp_path, tokenizer):
    """The sums of log pi_ref of an untrained model are about those of chance, the longer reply the lower."""
    pairs = [Pair(f"Say {k}.", " yes", " no, never in my life") for k in range(40)]
    [file] = _files([pair.to_record() for pair in pairs], tmp_path / "new", 1)
    sums = _ours(build_tiny(), tokenizer)(file)
    assert sums.shape == (40, 2)
    assert (sums[:, 1] < sums[:, 0]).all()
