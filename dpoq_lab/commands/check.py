"""What `dpoq-lab check` says of a preference file: problems, an audit, one pair as the model reads it."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dpoq_lab.columns import BY_NAME, How
from dpoq_lab.commands.audit import audit, noted
from dpoq_lab.messages import who_said_what
from dpoq_lab.preferences import Pair, read_pairs, usable_pairs
from dpoq_lab.sources import Problem
from dpoq_lab.views.token_view import visible

if TYPE_CHECKING:
    from dpoq_lab.encoding import EncodedPair, Response


@dataclass(frozen=True)
class Report:
    """Counts and problems of one source; `told` are lines that make no pair unusable, `shown` is one pair."""

    usable: int
    forms: dict[str, int]
    with_flaws: int
    problems: list[Problem]
    truncated: int | None
    told: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The report as lines: every problem, the first pair, the counts, what else there is to know."""
        lines = [*map(str, self.problems), *self.shown]
        forms = ", ".join(f"{count} {form}" for form, count in sorted(self.forms.items()))
        lines.append(f"{self.usable} usable pairs" + (f" ({forms})" if forms else ""))
        lines.append(f"{self.with_flaws} with marked flaws")
        if self.truncated is not None:
            lines.append(f"{self.truncated} with a truncated response (its sum lacks the EOS term)")
        return "\n".join([*lines, *self.told, f"{len(self.problems)} unusable"])


def check(
    source: str,
    model: str | None = None,
    max_length: int = 512,
    how: How = BY_NAME,
    held_out: str | None = None,
    chat_template: str | None = None,
) -> Report:
    """Read and validate `source`; with `model`, tokenise too, by a file `chat_template` if there is one.

    With `held_out`, its prompts are looked for.
    Raises PairsError, ModelError.
    """
    reading = read_pairs(source, how)
    pairs, problems, truncated, first = reading.pairs, list(reading.problems), None, None
    if model is not None:
        from dpoq_lab.commands.scorer import CHUNK
        from dpoq_lab.encoding import encode_pairs
        from dpoq_lab.models import load_tokenizer, with_template

        tokenizer, read = with_template(load_tokenizer(model), chat_template), pairs
        pairs, truncated = [], 0
        for start in range(0, len(read), CHUNK):  # the tokens of all pairs take far more room than their text
            encoding = encode_pairs(tokenizer, read[start : start + CHUNK], max_length)
            pairs += [encoded.pair for encoded in encoding.pairs]
            truncated += encoding.truncated
            problems += encoding.refused
            first = first or next(iter(encoding.pairs), None)
    told = noted(reading.notes(), len(reading.pairs))
    told += audit(pairs, usable_pairs(held_out) if held_out else [])
    return Report(
        len(pairs),
        dict(Counter(pair.form for pair in pairs)),
        sum(bool(pair.chosen_flaws or pair.rejected_flaws) for pair in pairs),
        problems,
        truncated,
        told,
        _as_tokens(first) if first else _as_text(pairs[0]) if pairs else [],
    )


def _as_text(pair: Pair) -> list[str]:
    """A pair by who says what."""
    lines = [f"the first pair ({pair.where}):"]
    for name in ("prompt", "chosen", "rejected"):
        part = getattr(pair, name)
        lines.append(f"  {name}: {_line(part if isinstance(part, str) else who_said_what(part))}")
    return lines


def _as_tokens(encoded: "EncodedPair") -> list[str]:
    """A pair as the model reads it, each action in brackets."""
    lines = [f"the first pair ({encoded.pair.where}) as the model reads it; what it chose stands in [ ]:"]
    for name in ("chosen", "rejected"):
        response: Response = getattr(encoded, name)
        words = zip(response.tokens, response.actions, strict=True)
        reply = "".join(f"[{visible(word)}]" if own else visible(word) for word, own in words)
        lines.append(f"  {name}: {len(response.prompt_ids)} tokens of prompt, then {_line(reply)}")
    return lines


def _line(text: str, most: int = 400) -> str:
    """Text on one line, its middle left out if it is long."""
    text = text.replace("\n", "\u21b5")
    return text if len(text) <= most else f"{text[: most // 2]} \u2026 {text[-most // 2 :]}"
