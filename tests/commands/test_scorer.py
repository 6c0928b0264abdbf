"""Pairs in, token scores out: what is counted, what is refused before anything is loaded."""

from pathlib import Path

import pytest

from dpoq_lab import models
from dpoq_lab.commands.scorer import Found, Scorer, check_same_tokens
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
