"""Pairs in, token scores out: two models of one tokenizer, loaded when the first pair is ready for them."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab import models
from dpoq_lab.columns import How
from dpoq_lab.encoding import EncodedPair, encode_pairs, used_ids
from dpoq_lab.preferences import Pair, stream_pairs
from dpoq_lab.rewards import ScoredPair, score_pairs
from dpoq_lab.sources import Problem, Rows, kind_of

Model = str | Path | PreTrainedModel  # a name, a folder, or a loaded model
NO_MEANING = "token rewards would have no meaning"
CHUNK = 256  # records that are read, sorted by length and scored together


@dataclass
class Found:
    """What reading and tokenising gave of some records: why pairs were left out, and counts of the others."""

    problems: list[str] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    read: int = 0  # usable by themselves
    truncated: int = 0

    def add(self, other: "Found") -> None:
        """What was found of some more records."""
        self.problems += other.problems
        self.notes += other.notes
        self.read += other.read
        self.truncated += other.truncated

    def counts(self) -> dict:
        """What a summary says of it."""
        return {"truncated": self.truncated, "read": self.read, "notes": dict(self.notes)}


def chunks(rows: Rows, how: How, limit: int | None) -> Iterator[list[Pair | Problem]]:
    """The source in lists of `CHUNK` records, up to the usable pair `limit`."""
    found = _limited(stream_pairs(rows, how), limit)
    while chunk := list(islice(found, CHUNK)):
        yield chunk


def _limited(found: Iterator[Pair | Problem], limit: int | None) -> Iterator[Pair | Problem]:
    usable = 0
    for each in found:
        yield each
        usable += isinstance(each, Pair)
        if usable == limit:
            return


class Scorer:
    """A policy and its reference; `score` takes what `chunks` yields. Raises as `dpoq_lab.score` says."""

    def __init__(
        self,
        policy: Model,
        reference: Model,
        tokenizer: PreTrainedTokenizerFast | None,
        max_length: int = 512,
        whole_yield: bool = False,
        dtype: str = "float32",
        chat_template: str | None = None,
    ) -> None:
        _check(policy, reference, tokenizer, max_length)
        self.policy, self.reference, self.whole_yield = policy, reference, whole_yield
        self.dtype: torch.dtype = getattr(torch, dtype)
        own = models.load_tokenizer(str(policy)) if tokenizer is None else tokenizer
        self.tokenizer = models.with_template(own, chat_template)
        self.max_length = max_length
        self.room = models.room(max_length, _of(policy), _of(reference))

    @property
    def names(self) -> dict[str, str]:
        """What a record calls the two models."""
        return {"policy": _name(self.policy), "reference": _name(self.reference)}

    def score(self, chunk: list[Pair | Problem]) -> tuple[Found, list[EncodedPair], list[ScoredPair]]:
        """What was found, and the usable pairs with their scores."""
        pairs = [each for each in chunk if isinstance(each, Pair)]
        encoding = encode_pairs(self.tokenizer, pairs, self.room, self.whole_yield)
        problems = [each for each in chunk if isinstance(each, Problem)] + encoding.refused
        notes = Counter(note for pair in pairs for note in pair.notes)
        notes.update(models.capped_notes(self.max_length, self.room, encoding.truncated))
        found = Found(list(map(str, problems)), notes, len(pairs), encoding.truncated)
        if not encoding.pairs:
            return found, [], []
        self._check_ids(encoding.pairs)
        scores = score_pairs(*self.models, self.tokenizer, encoding.pairs)
        self._check_finite(scores)
        return found, encoding.pairs, scores

    @cached_property
    def models(self) -> tuple[PreTrainedModel, PreTrainedModel]:
        """Both models; one name for both is loaded once."""
        pi = self._loaded(self.policy)
        return pi, pi if self.reference == self.policy else self._loaded(self.reference)

    def _loaded(self, model: Model) -> PreTrainedModel:
        return (
            model if isinstance(model, PreTrainedModel) else models.load_frozen(str(model), 0, self.dtype)[0]
        )

    @cached_property
    def _foreign(self) -> dict[int, str]:
        if isinstance(self.reference, PreTrainedModel):
            return {}  # it comes without a tokenizer
        return models.foreign_tokens(self.tokenizer, str(self.reference))

    def _check_ids(self, pairs: list[EncodedPair]) -> None:
        """Raise ModelError where a token is another to one of the models, or none."""
        check_same_tokens(pairs, self._foreign, str(self.reference))
        for role, model in zip(("policy", "reference"), self.models, strict=True):
            check_known_tokens(pairs, role, model)

    def _check_finite(self, scores: list[ScoredPair]) -> None:
        """Raise ModelError where a model gives a token a log-probability that is none."""
        for pair in scores:
            for side in pair:
                for role, name in self.names.items():
                    if not all(map(math.isfinite, getattr(side, f"logp_{role}"))):
                        raise models.ModelError(f"{name}: gives {side.response.text[:40]!r} no probability")


def check_same_tokens(pairs: list[EncodedPair], foreign: dict[int, str], reference: str) -> None:
    """Raise ModelError if a pair holds one of the `foreign_tokens` of a model."""
    for pair in pairs:
        for i in sorted(used_ids([pair]) & foreign.keys()):
            what = f"its vocabulary is not the policy's ({foreign[i]!r} is {i} to one alone)"
            raise models.ModelError(f"{pair.pair.where}: {reference}: {what}: {NO_MEANING}")


def check_known_tokens(pairs: list[EncodedPair], role: str, model: PreTrainedModel) -> None:
    """Raise ModelError if a pair holds a token that the model has no embedding for."""
    size = model.get_input_embeddings().num_embeddings
    for pair in pairs:
        if (most := max(used_ids([pair]))) >= size:
            what = f"has {size} words, and the pair uses number {most}"
            raise models.ModelError(f"{pair.pair.where}: {role}: {what}: {NO_MEANING}")


def _check(policy: Model, reference: Model, tokenizer: Any, max_length: int) -> None:
    """Raise TypeError or ValueError for an argument of another kind."""
    for role, model in (("policy", policy), ("reference", reference)):
        if not isinstance(model, str | Path | PreTrainedModel):
            raise TypeError(f"{role} is {kind_of(model)}, not a name, a folder or a loaded model")
    if tokenizer is not None and not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise TypeError(f"tokenizer is {kind_of(tokenizer)}, not a fast tokenizer of transformers")
    if tokenizer is None and isinstance(policy, PreTrainedModel):
        raise TypeError("a loaded policy comes without its tokenizer: pass tokenizer=...")
    if isinstance(max_length, bool) or not isinstance(max_length, int):
        raise TypeError(f"max_length is {kind_of(max_length)}, not a whole number")
    if max_length < 1:
        raise ValueError(f"max_length is {max_length}; it must be above 0")


def _of(model: Model) -> PreTrainedModel | str:
    return model if isinstance(model, PreTrainedModel) else str(model)


def _name(model: Model) -> str:
    return model.name_or_path or type(model).__name__ if isinstance(model, PreTrainedModel) else str(model)
