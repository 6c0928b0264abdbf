"""Lesson 05's picture: what is drawn is the record, and the record is what the language says."""

import math

import pytest
from hand_made import elements, texts

from dpoq_lab.lessons.l05_train_dpo.picture import frames
from dpoq_lab.lessons.study import stored_record
from dpoq_lab.order_notes.language import token_rewards_of, true_score

RECORD = stored_record("order-notes-writing", "writing")
FRAMES = frames()


@pytest.mark.parametrize("k", range(len(FRAMES)))
def test_a_frame_marks_right_and_wrong_words_and_numbers_them_all(k):
    frame, note = FRAMES[k], RECORD["note"][k]
    text = " ".join(note["words"])
    assert note["r"] == token_rewards_of(RECORD["prompt"], text)
    assert note["R"] == true_score(RECORD["prompt"], text) == sum(note["r"])
    frames_of = {kind: len(elements(frame, "rect", kind)) for kind in ("more", "less")}
    assert frames_of == {"more": note["r"].count(1), "less": note["r"].count(-1)}
    dashed = [rect.get("stroke-dasharray") is not None for rect in elements(frame, "rect", "less")]
    assert all(dashed)
    shown = texts(frame)
    for word, r in zip(note["words"], note["r"], strict=True):
        assert {1: f"\u2713 {word}", -1: f"\u2717 {word}", 0: word}[r] in shown
    assert len(note["r_hat"]) == len(note["words"]) + 1  # EOS is scored
    assert f"true score {note['R']} of 6" in " ".join(shown)


def test_the_note_never_falls_and_nothing_is_scored_before_the_first_step():
    R = [note["R"] for note in RECORD["note"]]
    assert sorted(R) == R
    assert R[-1] == 6
    assert set(RECORD["note"][0]["r_hat"]) == {0.0}


def test_the_mean_is_of_all_notes_and_rises_in_every_seed():
    for by_step in RECORD["scores"]:
        assert by_step[0]["better"] == by_step[0]["worse"] == 0
        last = by_step[-1]
        assert last["mean"] > by_step[0]["mean"] + 0.3
        assert last["better"] > last["worse"]
    assert FRAMES[-1].data[f"mean of {RECORD['prompts']}"].y[-1] == RECORD["scores"][0][-1]["mean"]


def test_the_frames_have_one_size_and_each_says_what_is_wrong():
    assert len({(frame.width, frame.height) for frame in FRAMES}) == 1
    assert FRAMES[0].width <= 1080
    assert FRAMES[0].height <= 560
    assert "nothing is wrong" in FRAMES[-1].reading
    assert FRAMES[0].reading.startswith("SFT, before DPO: wrong: ")


def test_the_lesson_quotes_the_record():
    first, last = RECORD["scores"][0][0], RECORD["scores"][0][-1]
    assert (round(first["mean"], 2), round(last["mean"], 2)) == (3.94, 4.88)
    assert (last["better"], last["worse"]) == (47, 9)
    assert [f"{by_step[-1]['mean']:.2f}" for by_step in RECORD["scores"][1:]] == ["5.04", "5.09"]
    assert RECORD["note"][0]["words"][2] == "Elena"
    assert f"{math.exp(RECORD['note'][0]['logp'][2]):.2f}" == "0.08"
    assert f"{RECORD['runs']['the base as reference']['loss'][0]:.2f}" == "0.36"
