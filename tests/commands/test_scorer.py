"""Pairs in, token scores out: what is counted, what is refused before anything is loaded."""

from inspect import signature
from pathlib import Path

import pytest
import torch

from dpoq_lab import models
from dpoq_lab.columns import How
from dpoq_lab.commands import scorer
from dpoq_lab.commands.scorer import Found, Scorer, check_known_tokens, check_same_tokens
from dpoq_lab.encoding import encode_pairs
from dpoq_lab.preferences import Pair
from dpoq_lab.sources import Problem


def test_what_was_found_adds_up():
    found, other = Found(["a"], {"x": 1}, 2, 3), Found(["b"], {"x": 4, "y": 5}, 6, 7)
    total = Found()
    assert (total.problems, total.read, total.truncated) == ([], 0, 0)
    total.add(found)
    total.add(other)
    assert total.problems == ["a", "b"]
    assert total.counts() == {"truncated": 10, "read": 8, "notes": {"x": 5, "y": 5}}


def test_arguments_of_another_kind_are_refused(tiny, tokenizer):
    for given, named, why in [
        ((3, "tiny", None), {}, "policy is a number, not a name"),
        (("tiny", None, None), {}, "reference is null, not a name"),
        (("tiny", "tiny", "tiny"), {}, "tokenizer is a string, not a fast tokenizer"),
        ((tiny, "tiny", None), {}, "a loaded policy comes without its tokenizer"),
        (("tiny", "tiny", None), {"max_length": 2.5}, "max_length is a number, not a whole number"),
        (("tiny", "tiny", None), {"max_length": True}, "max_length is a boolean, not a whole number"),
    ]:
        with pytest.raises(TypeError, match=why):
            Scorer(*given, **named)
    with pytest.raises(ValueError, match="max_length is 0; it must be above 0"):
        Scorer("tiny", "tiny", None, max_length=0)
    assert Scorer(tiny, tiny, tokenizer, max_length=1).room == 1


def test_models_have_the_names_they_were_given(tiny, tokenizer, monkeypatch):
    """A name, a folder; a loaded model its own, or where it has none its kind."""
    monkeypatch.setattr(models, "room", lambda wanted, *_: wanted)
    named = models.tiny(seed=1)
    named.name_or_path = "mine"
    names = [Scorer(one, Path("a") / "b", tokenizer).names for one in ("tiny", tiny, named)]
    assert [each["policy"] for each in names] == ["tiny", type(tiny).__name__, "mine"]
    assert {each["reference"] for each in names} == {str(Path("a") / "b")}


def test_one_model_for_both_is_loaded_once_and_two_are_two(tiny, tokenizer, monkeypatch):
    loaded = []
    monkeypatch.setattr(models, "load_frozen", lambda *given: (loaded.append(given[0]), (tiny, tokenizer))[1])
    monkeypatch.setattr(models, "room", lambda wanted, *_: wanted)
    assert Scorer("a", "a", tokenizer).models == (tiny, tiny)
    assert loaded == ["a"]
    assert Scorer("a", "b", tokenizer).models == (tiny, tiny)
    assert loaded == ["a", "a", "b"]
    other = models.tiny(seed=1)
    assert Scorer(tiny, other, tokenizer).models == (tiny, other)


def test_a_chunk_is_told_apart_by_problems_pairs_and_what_is_cut(tiny, tokenizer):
    """Of four records one cannot be read and one holds EOS; of the others one does not fit into 12 tokens."""
    pairs = [
        Pair("Sky?", " Blue.", " Soup.", where="a:1", notes=("noted",)),
        Pair("Sky?", " Blue<|end|>x", " Soup.", where="a:3"),
        Pair("Sky?", " Blue." * 9, " Soup.", where="a:4"),
    ]
    chunk = [pairs[0], Problem("a:2", "", "bad"), *pairs[1:]]
    found, encoded, scores = Scorer(tiny, models.tiny(seed=1), tokenizer, max_length=12).score(chunk)
    assert [line.split(": ")[0] for line in found.problems] == ["a:2", "a:3"]
    assert (found.read, found.truncated, found.notes["noted"]) == (3, 1, 1)
    assert [pair.pair.where for pair in encoded] == ["a:1", "a:4"]
    assert len(scores) == 2
    assert scores[0][0].response is encoded[0].chosen
    found, encoded, scores = Scorer(tiny, tiny, tokenizer).score(chunk[1:3])
    assert (len(found.problems), found.read, encoded, scores) == (2, 1, [], [])


def test_a_token_that_is_another_to_one_model_is_refused_by_its_pair(tiny, tokenizer):
    encoded = encode_pairs(tokenizer, [Pair("Sky?", " Blue.", " Soup.", where="a:1")], 99).pairs
    used = encoded[0].rejected.ids[0]
    check_same_tokens(encoded, {2047: "x"}, "ref")
    with pytest.raises(
        models.ModelError, match=f"a:1: ref: its vocabulary is not the policy's .'x' is {used} "
    ):
        check_same_tokens(encoded, {used: "x"}, "ref")
    used = encoded[0].chosen.ids + encoded[0].rejected.ids + encoded[0].chosen.prompt_ids
    for size, known in ((max(used), False), (max(used) + 1, True)):
        small = models.tiny(seed=1)
        small.resize_token_embeddings(size)
        scorer = Scorer(tiny, small, tokenizer)
        if known:
            assert len(scorer.score([encoded[0].pair])[1]) == 1
        else:
            with pytest.raises(
                models.ModelError, match=f"a:1: reference: has {size} words, and the pair uses"
            ):
                scorer.score([encoded[0].pair])


def only_pair(tokenizer, **changed):
    return encode_pairs(tokenizer, [Pair("Sky?", " Blue.", " Soup.", where="a:1", **changed)], 99).pairs


def test_what_is_said_of_a_token_that_is_another(tiny, tokenizer, monkeypatch):
    """By the pair, the reference and the token of the least number; a loaded reference has no tokenizer."""
    [pair] = encoded = only_pair(tokenizer)
    used = sorted({*pair.chosen.ids, *pair.rejected.ids, *pair.chosen.prompt_ids})
    monkeypatch.setattr(models, "room", lambda wanted, *_: wanted)
    monkeypatch.setattr(models, "load_frozen", lambda *_: (tiny, tokenizer))
    monkeypatch.setattr(models, "foreign_tokens", lambda mine, name: {used[1]: f"of {name}", used[0]: "x"})
    with pytest.raises(models.ModelError) as caught:
        Scorer(tiny, "ref", tokenizer).score([pair.pair])
    said = f"its vocabulary is not the policy's ('x' is {used[0]} to one alone)"
    assert str(caught.value) == f"a:1: ref: {said}: token rewards would have no meaning"
    assert len(Scorer(tiny, tiny, tokenizer).score([pair.pair])[1]) == 1
    with pytest.raises(models.ModelError) as caught:
        check_known_tokens(encoded, "policy", tiny_of(used[-1]))
    said = f"has {used[-1]} words, and the pair uses number {used[-1]}"
    assert str(caught.value) == f"a:1: policy: {said}: token rewards would have no meaning"


def tiny_of(words):
    small = models.tiny()
    small.resize_token_embeddings(words)
    return small


@pytest.mark.parametrize("role", ["policy", "reference"])
def test_a_model_that_gives_no_probability_is_named(tokenizer, role):
    both = {"policy": models.tiny(), "reference": models.tiny(seed=1)}
    for name, model in both.items():
        model.name_or_path = f"the {name}"
    with torch.no_grad():
        both[role].model.norm.weight.fill_(float("nan"))
    with pytest.raises(models.ModelError) as caught:
        Scorer(**both, tokenizer=tokenizer).score([Pair("Sky?", " Blue.", " Soup.")])
    assert str(caught.value) == f"the {role}: gives ' Blue.' no probability"


def test_records_come_in_chunks_up_to_the_usable_pair_asked_for(monkeypatch):
    """Of seven records the third and the fifth are none; three usable ones end at the fourth."""
    monkeypatch.setattr(scorer, "CHUNK", 2)
    row = {"prompt": "a", "chosen": "b", "rejected": "c"}
    rows = [row, row, row | {"chosen": ""}, row, row | {"chosen": ""}, row, row]
    for limit, sizes in (
        (None, [2, 2, 2, 1]),
        (3, [2, 2]),
        (2, [2]),
        (1, [1]),
        (4, [2, 2, 2]),
        (9, [2, 2, 2, 1]),
    ):
        found = list(scorer.chunks(rows, How(), limit))
        assert [len(chunk) for chunk in found] == sizes
    assert [isinstance(each, Problem) for chunk in found for each in chunk] == [k in (2, 4) for k in range(7)]


def test_what_is_scored_if_nothing_is_said():
    given = {name: p.default for name, p in signature(Scorer).parameters.items()}
    assert {name: given[name] for name in list(given)[3:]} == {
        **{"max_length": 512, "whole_yield": False, "dtype": "float32", "chat_template": None}
    }
    assert Found().counts() == {"truncated": 0, "read": 0, "notes": {}}
    assert scorer.CHUNK == 256


def test_pairs_cut_at_what_a_model_has_room_for_are_noted(tokenizer):
    """The reference has 9 positions: of 5 tokens of a prompt and 5 of a reply one does not fit."""
    small = models.tiny(seed=1)
    small.config.max_position_embeddings = 9
    long, short = Pair("Sky?", " Blue." * 3, " Soup."), Pair("Sky?", " Blue.", " Soup.")
    both = Scorer(models.tiny(), small, tokenizer)
    assert (both.max_length, both.room) == (512, 9)
    assert dict(both.score([long, short])[0].notes) == {
        "cut at 9 tokens, as many as the model has positions for": 1
    }
    assert dict(both.score([short])[0].notes) == {}
