"""The numbers of a summary: as lines for a terminal, as tables with their meanings for the page."""

from dpoq_lab.credit import TRUTHS, credit_rows
from dpoq_lab.runs.summary import PARTS
from dpoq_lab.views.tables import Table
from dpoq_lab.views.token_view import exact, signed, visible

SMALLEST = "smallest summed margin first"  # how the worst pairs are ordered


def sentences(summary: dict) -> list[str]:
    """What the numbers say, a line each, for a terminal."""
    found, falls = summary["pair_accuracy"], summary["falls"]
    keys = {
        "chosen": "chosen_reward_sum_mean",
        "rejected": "rejected_reward_sum_mean",
        "margin": "margin_mean",
    }
    means = ", ".join(f"{side} {summary[key]:+.3f}" for side, key in keys.items())
    less = ", ".join(f"{side} in {share['share']:.0%} of pairs" for side, share in falls.items())
    return [
        f"pair accuracy {_accuracy(found)}",
        f"summed reward: {means}",
        f"less likely than under the reference: {less}",
        *(f"{summary[name]:.4f} nats: {assumes}" for name, assumes in summary["kl_assumes"].items()),
        *filter(None, [truncated_line(summary), not_scored_line(summary["not_scored"])]),
    ]


def summary_line(summary: dict) -> str:
    """What was scored."""
    models = f"policy {summary['policy']}, reference {summary['reference']}"
    return f"{models}, pairs {summary['source']}, beta {summary['beta']:g}"


def _accuracy(found: dict) -> str:
    low, high = found["interval_95"]
    return f"{found['accuracy']:.3f} ({low:.3f} to {high:.3f}, {found['pairs']} pairs)"


def numbers_table(summary: dict) -> Table:
    """The numbers of all pairs, each with its meaning."""
    facts, falls = summary["facts"], summary["falls"]
    rows = [
        ("pairs ranked right", _accuracy(summary["pair_accuracy"])),
        ("ranked right by likelihood alone", _accuracy(summary["pair_accuracy_by_likelihood"])),
        ("reward of chosen", signed(summary["chosen_reward_sum_mean"])),
        ("reward of rejected", signed(summary["rejected_reward_sum_mean"])),
        ("margin", exact(summary["margin_mean"])),
        *((f"{side} less likely", f"{falls[side]['share']:.0%}") for side in falls),
        ("KL(pi_ref || pi) a token", f"{summary['kl_ref_pi_token_mean']:.4f}"),
        ("KL(pi || pi_ref) a token", f"{summary['kl_pi_ref_token_mean']:.4f}"),
        ("k", f"{facts['k']:.2f}" if "k" in facts else "none"),
        ("reference prefers chosen", f"{facts['reference_prefers_chosen']:.0%}"),
        ("replies differ in", f"{facts['changed']:.0%} of tokens"),
    ]
    return Table([("number", "value"), *rows], meanings=MEANINGS | _kl_meanings(summary))


def _kl_meanings(summary: dict) -> dict[str, str]:
    names = {
        "kl_ref_pi_token_mean": "KL(pi_ref || pi) a token",
        "kl_pi_ref_token_mean": "KL(pi || pi_ref) a token",
    }
    return {names[key]: f"In nats. {text}." for key, text in summary["kl_assumes"].items()}


MEANINGS = {
    "pairs ranked right": "How often the chosen reply has the larger summed reward, with the 95% interval.",
    "ranked right by likelihood alone": "The same by log pi of the policy, without the reference.",
    "reward of chosen": "beta log pi/pi_ref, summed over a chosen reply, averaged over pairs, in nats.",
    "reward of rejected": "The same of the rejected replies.",
    "margin": "Reward of chosen less reward of rejected.",
    "chosen less likely": "How often the policy finds the chosen reply less likely than the reference does.",
    "rejected less likely": "The same for the rejected reply.",
    "both less likely": "The share of pairs of which both replies fell.",
    "k": "The fall of the chosen replies as a share of the KL at their own tokens. Near 1: they fell as the "
    "reference's own text must.",
    "reference prefers chosen": "How often the chosen reply is the likelier a token under the reference.",
    "replies differ in": "The mean share of tokens that the two replies of a pair do not have in common.",
    "shared start": "The reward of tokens before the first at which the two replies differ.",
    "changed": "The reward of tokens that the other reply of the pair does not have.",
    "shared later": "The reward of later tokens that both replies have.",
    "end": "The reward of EOS and of what the template writes at the end of a turn.",
    "log pi/pi_ref": "In nats: 0.69 is twice as likely, -0.69 half as likely as under the reference.",
    "AUROC (95%)": "The chance that a bad token is more suspicious than a good one; 0.5 is a guess.",
    "precision at 1 (95%)": "How often the most suspicious token of a reply is a bad one.",
    "-r": "The detector is the negative reward.",
}


def summary_tables(summary: dict, most: int | None = None) -> list[Table]:
    """Where the rewards lie, the steepest tokens, the worst pairs, credit; of lists the first `most` rows."""
    return [
        parts_table(summary["reward_parts"]),
        steepest_table(summary["steepest_tokens"][:most]),
        worst_table(summary["worst_pairs"][:most]),
        credit_table(summary["credit"]),
    ]


def parts_table(parts: list[dict]) -> Table:
    """Mean summed reward by the part of the reply in which it lies, and by length."""
    rows = [
        (row["actions"], row["side"], str(row["replies"]), *(signed(row[part]) for part in PARTS))
        for row in parts
    ]
    caption = "Mean summed reward, by where in the reply (end: EOS and the template's)"
    head = ("actions", "side", "replies", *PARTS)
    return Table([head, *rows], left=2, caption=caption, meanings=MEANINGS)


def steepest_table(steepest: list[dict]) -> Table:
    """The tokens of the largest |log pi/pi_ref|, and where their probability came from or went."""
    rows = [
        (
            str(row["pair"]),
            row["role"],
            f"{row['at']}: {visible(row['token'])}",
            signed(row["log_ratio"]),
            _moved(row["gained"]),
            _moved(row["lost"]),
        )
        for row in steepest
    ]
    head = ("pair", "side", "token", "log pi/pi_ref", "gained most there", "lost most there")
    return Table(
        [head, *rows], left=3, caption="The steepest tokens, one a reply (pi_ref, pi)", meanings=MEANINGS
    )


def _moved(moved: list) -> str:
    return ", ".join(
        f"{visible(token)} ({_few(pi_ref)}\u00a0\u2192\u00a0{_few(pi)})" for token, pi_ref, pi in moved[:2]
    )


def _few(share: float) -> str:
    """Two digits, in which no line breaks."""
    return f"{share:.2g}".replace("-", "\u2212")


def worst_table(worst: list[dict]) -> Table:
    """The pairs of the smallest margin."""
    rows = [(str(row["pair"]), row["where"], exact(row["margin"])) for row in worst]
    return Table([("pair", "place", "margin"), *rows], left=2, caption=f"Pairs, {SMALLEST}")


def truncated_line(summary: dict) -> str:
    """How many replies were cut off; empty where none was."""
    cut = summary["truncated"]
    return f"{cut} pairs have a reply that was cut off: its sum lacks the end" if cut else ""


def not_scored_line(not_scored: dict) -> str:
    """Which tokens TRL scores and this report does not; empty where there are none."""
    parts = []
    if n := not_scored["observations"]:
        parts.append(f"{n} tokens that others or the chat template wrote (grey)")
    parts += [
        f"{tail!r} after the end of {n} of {not_scored['responses']} responses"
        for tail, n in not_scored["tails"].items()
    ]
    return f"Not scored: {'; '.join(parts)}. TRL scores it all; so does --whole-yield." if parts else ""


def credit_table(credit: dict) -> Table:
    """Each truth and detector with AUROC and precision at 1, the two with their 95% intervals."""
    head, caption = ("truth", "detector", "AUROC (95%)", "precision at 1 (95%)"), "Credit assignment over "
    rows = [head, *credit_rows(credit)]
    return Table(rows, left=2, caption=f"{caption}{credit['pairs']} pairs", meanings=MEANINGS | TRUTHS)
