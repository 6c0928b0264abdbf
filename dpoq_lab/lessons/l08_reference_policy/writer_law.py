"""The exact law of the writers of order notes: log mu(y|x), by counting the choices that make a reply.

With it KL(mu || pi) = E_mu[log mu - log pi] is a mean over replies, and nothing else is estimated.
"""

import re
from math import lgamma, log

from dpoq_lab.order_notes.language import (
    ADJECTIVES,
    CLOSERS,
    FACTS,
    FILLERS,
    GREETINGS,
    INSULTS,
    NEXT,
    ORDERS,
    RUDE,
    SENTENCES,
    Writer,
    following,
    order_of,
)


def writer_log_prob(prompt: str, reply: str, writer: Writer) -> float:
    """log mu(y|x) of a whole reply in nats; -inf for a text that `writer` never writes."""
    order, opening = order_of(prompt), _OPENING.fullmatch(reply)
    if not opening:
        return float("-inf")
    told = {fact: opening[fact] for fact in ("who", "colour", "item")}
    clauses, fillers, insults = _sentences(opening["rest"])
    if clauses is None or not told.keys().isdisjoint(clauses):
        return float("-inf")
    told |= clauses
    p = [1 / len(GREETINGS), 1 / len(ORDERS), 1 / len(CLOSERS), 0.5]
    p += [1 / len(ADJECTIVES)] if opening["adjective"] else []
    p += [fact_prob(fact, order[fact], told.get(fact), writer) for fact in FACTS]
    p += [1 / len(SENTENCES[fact]) for fact in clauses]
    p += [writer.filler / len(FILLERS)] * fillers + [1 - writer.filler]
    p += [writer.rude / len(INSULTS) / len(RUDE) if insults else 1 - writer.rude]
    if min(p) <= 0:
        return float("-inf")
    return sum(map(log, p)) - lgamma(len(clauses) + 1)  # the clauses come in any order


def fact_prob(fact: str, value: str, told: str | None, writer: Writer) -> float:
    """The probability of what is told of one fact: the value, another one, or nothing."""
    drop = writer.drop if fact in SENTENCES else 0.0
    if told is None:
        return (1 - writer.slip) * drop
    if told == value:
        return (1 - writer.slip) * (1 - drop)
    return writer.slip * (NEXT * (told == following(value)) + (1 - NEXT) / (len(FACTS[fact]) - 1))


def _sentences(text: str) -> tuple[dict[str, str] | None, int, int]:
    """The clauses (fact to what it tells), how many fillers and insults; None unless in this order."""
    clauses, kinds = {}, ""
    for sentence in re.findall(r"[^.]+\.", text):
        sentence = sentence.strip()
        if found := _CLAUSE.fullmatch(sentence):
            fact = found.lastgroup.rstrip("012")
            kinds += "?" if fact in clauses else "c"
            clauses[fact] = found[found.lastgroup]
        else:
            kinds += "f" if sentence in FILLERS else "i" if _INSULT.fullmatch(sentence) else "?"
    regular = re.fullmatch("c*f*i?", kinds)
    return clauses if regular else None, kinds.count("f"), kinds.count("i")


def _one_of(words: tuple[str, ...] | list[str]) -> str:
    return "|".join(map(re.escape, words))


_OPENING = re.compile(
    f"(?:{_one_of(GREETINGS)}) (?P<who>{_one_of(FACTS['who'])}) (?:{_one_of(ORDERS)}) a "
    f"(?:(?P<adjective>{_one_of(ADJECTIVES)}) )?(?P<colour>{_one_of(FACTS['colour'])}) "
    f"(?P<item>{_one_of(FACTS['item'])}) \\.(?P<rest>(?: [^.]+ \\.)*) (?:{_one_of(CLOSERS)})"
)
_CLAUSE = re.compile(
    "|".join(
        re.escape(text).replace(r"\{\}", f"(?P<{fact}{i}>{_one_of(FACTS[fact])})")
        for fact, texts in SENTENCES.items()
        for i, text in enumerate(texts)
    )
)
_INSULT = re.compile("|".join(re.escape(text).replace(r"\{\}", f"(?:{_one_of(RUDE)})") for text in INSULTS))
