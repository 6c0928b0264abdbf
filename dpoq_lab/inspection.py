"""Score every token of a preference file under policy and reference: numbers, summary, report."""

import json
from collections.abc import Iterable
from html import escape
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab import models
from dpoq_lab.encoding import EncodedPair, encode_pairs, flaw_mask
from dpoq_lab.evaluation import DETECTORS, ScoredPair, summarise
from dpoq_lab.preferences import PairsError, usable_pairs
from dpoq_lab.provenance import provenance
from dpoq_lab.rewards import TokenScores, score_responses
from dpoq_lab.runs import write_json
from dpoq_lab.token_view import heat_map, legend

SHOWN_PAIRS = 50
PAGE_STYLE = """<style>
body{font-family:system-ui,sans-serif;max-width:70em;margin:1em auto;padding:0 1em;background:#fff;color:#111}
table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #ccc}
</style>"""


def inspect(policy: str, reference: str, pairs: str, out: Path, beta: float, max_length: int) -> dict:
    """Load two models (the same name serves for both), score a preference file, write the results."""
    model, tokenizer = models.load_frozen(policy)
    model_ref = model if reference == policy else models.load_frozen(reference)[0]
    models.check_same_vocabulary(tokenizer, reference)
    encoding = encode_pairs(tokenizer, usable_pairs(pairs), max_length)
    if not encoding.pairs:
        raise PairsError(f"no usable pair; first problem: {encoding.refused[0]}")
    scored = score_pairs(model, model_ref, tokenizer, encoding.pairs)
    head = {
        "policy": policy,
        "reference": reference,
        "source": str(pairs),
        "truncated": encoding.truncated,
        "provenance": provenance(),
    }
    return write_inspection(scored, encoding.pairs, beta, out, head)


def score_pairs(
    policy: PreTrainedModel,
    reference: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    pairs: list[EncodedPair],
    top: int = 0,
) -> list[ScoredPair]:
    """Both responses of every pair scored by policy and reference (models of one tokenizer)."""
    responses = [response for pair in pairs for response in (pair.chosen, pair.rejected)]
    scores = score_responses(policy, reference, tokenizer, responses, top=top)
    return list(zip(scores[::2], scores[1::2], strict=True))


def write_inspection(
    scored: list[ScoredPair], pairs: list[EncodedPair], beta: float, out: Path, head: dict
) -> dict:
    """Write tokens.jsonl, summary.json and report.html to `out`; returns the summary."""
    out.mkdir(parents=True, exist_ok=True)
    summary = {**head, **summarise(scored, beta)}
    with (out / "tokens.jsonl").open("w", encoding="utf-8") as stream:
        for record in token_records(scored, beta):
            stream.write(json.dumps(record, ensure_ascii=False) + "\n")
    (out / "report.html").write_text(report(scored, pairs, beta, summary), encoding="utf-8")
    write_json(out / "summary.json", summary)
    return summary


def token_records(scored: list[ScoredPair], beta: float) -> Iterable[dict]:
    """A record per response, as `tokens.jsonl` holds it; numbers in nats, rounded to 1e-5."""
    for number, pair in enumerate(scored):
        for role, scores in zip(("chosen", "rejected"), pair, strict=True):
            response = scores.response
            record = {
                "pair": number,
                "role": role,
                "tokens": response.tokens,
                "token_ids": response.ids,
                "offsets": [list(span) for span in response.offsets],
                "logp_policy": _rounded(scores.logp_policy),
                "logp_reference": _rounded(scores.logp_reference),
                "reward": _rounded(scores.rewards(beta)),
            }
            yield record | ({"flaws": flaw_mask(response)} if response.flaws else {})


def _rounded(values: list[float]) -> list[float]:
    return [round(value, 5) for value in values]


def report(scored: list[ScoredPair], pairs: list[EncodedPair], beta: float, summary: dict) -> str:
    """One self-contained page: the summary, then the heat maps of the first pairs."""
    limit = colour_limit([scores for pair in scored for scores in pair], beta)
    shown = "".join(
        _pair_section(number, pair, scores, beta, limit)
        for number, (pair, scores) in enumerate(zip(pairs[:SHOWN_PAIRS], scored[:SHOWN_PAIRS], strict=True))
    )
    first = min(len(scored), SHOWN_PAIRS)
    tables = _summary_table(summary) + _credit_table(summary["credit"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>dpoq-lab report</title>'
        f"{PAGE_STYLE}</head><body><h1>Token rewards of {len(scored)} pairs</h1>{tables}"
        f"<h2>The first {first} pairs</h2>{legend(limit)}{shown}</body></html>\n"
    )


def colour_limit(scores: list[TokenScores], beta: float) -> float:
    """A symmetric limit that 98% of the token rewards keep within; one scale for a whole view."""
    sizes = sorted(abs(r) for score in scores for r in score.rewards(beta))
    return max(sizes[int(0.98 * (len(sizes) - 1))], 1e-3) if sizes else 1.0


def _pair_section(number: int, pair: EncodedPair, scores: ScoredPair, beta: float, limit: float) -> str:
    prompt = pair.pair.prompt
    text = prompt if isinstance(prompt, str) else "\n".join(f"{m['role']}: {m['content']}" for m in prompt)
    maps = "".join(
        heat_map(
            s.response.tokens,
            s.rewards(beta),
            limit,
            f"{role}: summed reward {sum(s.rewards(beta)):+.2f}",
            flaw_mask(s.response),
        )
        for role, s in zip(("chosen", "rejected"), scores, strict=True)
    )
    return f'<h3>Pair {number}</h3><div style="white-space:pre-wrap">{escape(text)}</div>{maps}'


def _summary_table(summary: dict) -> str:
    rows = []
    for key, value in summary.items():
        if key in ("credit", "provenance"):
            continue
        if isinstance(value, dict) and "accuracy" in value:
            low, high = value["interval_95"]
            value = f"{value['accuracy']:.3f} (95% interval {low:.3f} to {high:.3f}, {value['pairs']} pairs)"
        elif isinstance(value, float):
            value = f"{value:.4f}"
        rows.append(f"<tr><th>{escape(key)}</th><td>{escape(str(value))}</td></tr>")
    return f"<table>{''.join(rows)}</table>"


TRUTHS = {
    "marks": "marked flaws",
    "rejected_only": "tokens that only the rejected reply has (a poor truth: most are harmless)",
    "side": "rejected-only against chosen-only tokens",
}


def credit_rows(credit: dict) -> list[tuple[str, str, str, str]]:
    """Truth, detector, AUROC and precision at 1, the last two with their 95% intervals, as text."""
    return [
        (
            truth,
            name,
            _with_interval(credit[truth][name], "auroc"),
            _with_interval(credit[truth][name], "precision_at_1"),
        )
        for truth in TRUTHS
        if truth in credit
        for name in DETECTORS
    ]


def _with_interval(found: dict, score: str) -> str:
    if score not in found:
        return ""
    low, high = found[f"{score}_interval_95"]
    return f"{found[score]:.2f} ({low:.2f} to {high:.2f})"


def _credit_table(credit: dict) -> str:
    rows = "".join(
        f"<tr><td>{TRUTHS[truth]}</td><td>{name}</td><td>{auroc}</td><td>{p_at_1}</td></tr>"
        for truth, name, auroc, p_at_1 in credit_rows(credit)
    )
    head = "<tr><th>truth</th><th>detector</th><th>AUROC</th><th>precision at 1</th></tr>"
    return f"<h2>Credit assignment</h2><table>{head}{rows}</table>"


def credit_lines(credit: dict) -> str:
    """`credit_rows` as aligned text."""
    head = ("truth", "detector", "AUROC (95%)", "precision at 1 (95%)")
    rows = [head, *credit_rows(credit)]
    return "\n".join(f"{a:<14}{b:<24}{c:<23}{d}".rstrip() for a, b, c, d in rows)


def summary_lines(summary: dict, out: Path) -> str:
    """What `dpoq-lab inspect` prints: accuracy, rewards, credit, where the report is."""
    found = summary["pair_accuracy"]
    low, high = found["interval_95"]
    rewards = (
        f"summed reward: chosen {summary['chosen_reward_sum_mean']:+.3f}, "
        f"rejected {summary['rejected_reward_sum_mean']:+.3f}, margin {summary['margin_mean']:+.3f}"
    )
    return "\n".join(
        [
            f"pair accuracy {found['accuracy']:.3f} ({low:.3f} to {high:.3f}, {found['pairs']} pairs)",
            rewards,
            credit_lines(summary["credit"]),
            str(out / "report.html"),
        ]
    )
