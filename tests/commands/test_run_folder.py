"""What is said of a folder before a run begins there, or goes on."""

import json
from pathlib import Path

import pytest

from dpoq_lab.commands.run_folder import RunError, held_record, same_run

HELD = {"request": {}, "settings": {}, "finished": False}


@pytest.mark.parametrize(
    ("text", "resume", "said"),
    [
        (None, True, "o: holds no run to resume"),
        ("{", True, "o/run.json: is not JSON: choose another folder"),
        ("{}", True, "o/run.json: is no record of a run: choose another folder"),
        (json.dumps(HELD | {"finished": True}), True, "o: holds a finished run: choose another folder"),
        (json.dumps(HELD), False, "o: holds an unfinished run: add --resume or choose another folder"),
    ],
)
def test_what_is_said_of_a_folder_whole(tmp_path, text, resume, said):
    out = tmp_path / "o"
    out.mkdir()
    assert held_record(out, resume=False) is None
    if text is not None:
        (out / "run.json").write_text(text)
    with pytest.raises(RunError) as caught:
        held_record(out, resume)
    assert str(caught.value) == f"{tmp_path}/{said}"
    (out / "run.json").write_text(json.dumps(HELD))
    assert held_record(out, resume=True) == HELD
    (out / "run.json").rename(out / "thesis.txt")
    with pytest.raises(RunError) as caught:
        held_record(out, resume=False)
    assert str(caught.value) == f"{out}: is not empty and holds no run: choose another folder"


def test_what_is_another_run_is_named_once():
    """Where the record goes is no difference; of how pairs are read each setting is one."""
    asked = {
        "request": {"seed": 1, "beta": 2, "out": "a", "how": {"split": "x", "config": None}},
        **{"settings": {"seed": 1, "steps": 3}, "content": {"model": "m", "pairs": "p"}, "more": 1},
    }
    same = asked | {"request": asked["request"] | {"out": "b"}, "more": 2}
    assert same_run(Path("o"), same, asked) is same
    other = {
        "request": {"seed": 5, "beta": 2, "how": {"split": "y", "config": None}},
        **{"settings": {"seed": 5, "steps": 4}, "content": {"model": "n", "pairs": "p"}},
    }
    with pytest.raises(RunError) as caught:
        same_run(Path("o"), other, asked)
    assert str(caught.value) == "o: its run was started with another seed, split, steps, content of model"
