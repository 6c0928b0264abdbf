"""What `dpoq-lab check` says of a preference file: counts by kind and every problem."""

from collections import Counter
from dataclasses import dataclass

from dpoq_lab.preferences import read_pairs
from dpoq_lab.sources import Problem


@dataclass(frozen=True)
class Report:
    """Counts and problems of one source."""

    usable: int
    forms: dict[str, int]
    with_flaws: int
    problems: list[Problem]
    truncated: int | None

    def text(self) -> str:
        """The report as lines: every problem, then the counts."""
        lines = [str(problem) for problem in self.problems]
        forms = ", ".join(f"{count} {form}" for form, count in sorted(self.forms.items()))
        lines.append(f"{self.usable} usable pairs" + (f" ({forms})" if forms else ""))
        lines.append(f"{self.with_flaws} with marked flaws")
        if self.truncated is not None:
            lines.append(f"{self.truncated} with a truncated response (its sum lacks the EOS term)")
        lines.append(f"{len(self.problems)} unusable")
        return "\n".join(lines)


def check(source: str, model: str | None = None, max_length: int = 512) -> Report:
    """Read and validate `source`; with `model`, tokenise too. Raises PairsError, ModelError."""
    reading = read_pairs(source)
    pairs, problems, truncated = reading.pairs, list(reading.problems), None
    if model is not None:
        from dpoq_lab.encoding import encode_pairs
        from dpoq_lab.models import load_tokenizer

        encoding = encode_pairs(load_tokenizer(model), pairs, max_length)
        pairs, truncated = [encoded.pair for encoded in encoding.pairs], encoding.truncated
        problems += encoding.refused
    return Report(
        len(pairs),
        dict(Counter(pair.form for pair in pairs)),
        sum(bool(pair.chosen_flaws or pair.rejected_flaws) for pair in pairs),
        problems,
        truncated,
    )
