"""A diagnosis in words: as HTML for the page, as lines for a terminal."""

from html import escape

from dpoq_lab.runs.diagnosis import Diagnosis, Finding

HEADLINES = {
    "expected": "Expected, not broken",
    "data fault": "A fault of the data",
    "scoring mismatch": "Two scorings that do not match",
    "too much pressure": "Too much pressure",
}
CAUSES = {
    "healthy": "No fault found",
    "labels against the reference": "Labels against the reference: flipped, or meant?",
}


def headline(diagnosis: Diagnosis) -> str:
    """The verdict in a line: its kind and the cause, which for a run without a fault are one."""
    if diagnosis.verdict == "can't tell":
        return "Cannot tell"
    if diagnosis.verdict in CAUSES:
        return CAUSES[diagnosis.verdict]
    kind, cause = diagnosis.findings[0].kind, diagnosis.verdict.removeprefix("expected: ")
    return f"{HEADLINES[kind]}: {cause}" if kind in HEADLINES and kind != cause else cause.capitalize()


def verdict(diagnosis: Diagnosis) -> str:
    """What is at work, in words, as HTML: the first finding, the others, and what is not known."""
    first, *others = diagnosis.findings or [None]
    if first is None:
        head = "<h1>Cannot tell</h1><p>No test spoke: neither for a known fault nor for a healthy run.</p>"
    else:
        head = f"<h1>{escape(headline(diagnosis))}</h1>{_finding(first)}"
    more = "".join(
        f"<p><b>Also: {escape(f.cause)}.</b> {_sentence(f.because)} {escape(f.fix)}</p>" for f in others
    )
    if diagnosis.missing:
        items = "".join(f"<li>{escape(line)}</li>" for line in diagnosis.missing)
        summary = f"<summary>Not tested: {len(diagnosis.missing)} causes</summary>"
        more += f"<details>{summary}<ul>{items}</ul></details>"
    return f'<section class="dpoq-verdicts">{head}{more}</section>'


def _sentence(text: str) -> str:
    return escape(f"{text[:1].upper()}{text[1:]}.")


def _finding(found: Finding) -> str:
    return (
        f"<p><b>{escape(found.sure.capitalize())}.</b> {_sentence(found.because)}</p>"
        f"<p><b>What to do.</b> {escape(found.fix)} Lesson {escape(found.lesson)} shows why.</p>"
    )


def verdict_lines(diagnosis: Diagnosis) -> list[str]:
    """The same for a terminal."""
    if not diagnosis.findings:
        lines = ["can't tell: no test spoke, neither for a known fault nor for a healthy run"]
    else:
        words = ["verdict" if f.cause == diagnosis.verdict else "also" for f in diagnosis.findings]
        lines = [
            f"{word}: {f.cause} ({f.sure}): {f.because}\n  {f.fix} (lesson {f.lesson})"
            for word, f in zip(words, diagnosis.findings, strict=True)
        ]
    return [*lines, *(f"not tested: {line}" for line in diagnosis.missing)]
