"""The known causes of how a DPO run looks: each with a test of the run's facts, and what to do about it.

A test says how sure it is and why, or nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from dpoq_lab.preferences import SIDES
from dpoq_lab.runs.facts import Facts

LN2 = math.log(2)
Test = Callable[[Facts], tuple[str, str] | None]


@dataclass(frozen=True)
class Cause:
    """A known cause: the facts without which its test says nothing, and what to do about it."""

    name: str
    kind: str
    needs: tuple[str, ...]
    test: Test
    fix: str
    lesson: str


def _sure(size: float, threshold: float) -> str:
    return "clear" if abs(size) > 2 * abs(threshold) else "likely"


def _start(f: Facts) -> str:
    moved = f"{f['chosen_start']:+.2f} nats a chosen and {f['rejected_start']:+.2f} a rejected reply"
    return (
        f"before the first update the loss is {f['loss_start']:.3f}, where it must be ln 2 = 0.693, "
        f"and policy and reference differ by {moved}, where it must be 0"
    )


def _off(f: Facts) -> bool:
    """Whether policy and reference differ before the first update, by more than rounding explains."""
    return abs(f["loss_start"] - LN2) > 0.03 or max(abs(f[f"{side}_start"]) for side in SIDES) > 0.5


def _not_finite(f: Facts) -> tuple[str, str] | None:
    share = f["not_finite"]
    return ("clear", f"{share:.0%} of the logged records hold a number that is not finite") if share else None


def _dropout(f: Facts) -> tuple[str, str] | None:
    mean = (f["chosen_start"] + f["rejected_start"]) / 2
    if not (_off(f) and mean < -0.25 and f["loss_start"] > LN2):
        return None
    return _sure(f["loss_start"] - LN2, 0.05), _start(f)


def _unlike(f: Facts) -> tuple[str, str] | None:
    if not _off(f) or _dropout(f):
        return None
    return _sure(f["loss_start"] - LN2, 0.05), _start(f)


def _mismatch(f: Facts) -> tuple[str, str] | None:
    gaps = [f[f"{side}_logged"] - f[f"{side}_rescored"] for side in SIDES]
    errors = [math.hypot(f[f"{side}_logged_se"], f[f"{side}_rescored_se"]) for side in SIDES]
    each = zip([*gaps, sum(gaps)], [*errors, math.hypot(*errors)], strict=True)  # a side, the other, both
    z = max(abs(gap) / max(error, 1e-9) for gap, error in each)
    if "loss_start" in f and _off(f):
        return None  # the trainer had another reference, which alone explains it
    if z < 3 or max(map(abs, gaps)) < 0.2:
        return None
    told = ", ".join(
        f"{side} {f[f'{side}_logged']:.2f} logged, {f[f'{side}_rescored']:.2f} scored here" for side in SIDES
    )
    return _sure(z, 3), f"log pi_ref of the same pairs, nats a reply: {told}; {z:.0f} standard errors apart"


def _truncation(f: Facts) -> tuple[str, str] | None:
    if f["cut"] < 0.05:
        return None
    return _sure(
        f["cut"], 0.05
    ), f"{f['cut']:.0%} of the pairs have a reply that was cut off, so its end is not learned"


def _contradicted(f: Facts) -> tuple[str, str] | None:
    if f["contradicted"] < 0.02:
        return None
    share = f"{f['contradicted']:.0%}"
    return _sure(f["contradicted"], 0.02), f"{share} of the pairs stand among them the other way round too"


def _nothing_learned(f: Facts) -> tuple[str, str] | None:
    most = max(abs(f[f"{side}_end"]) for side in SIDES)
    if most > 0.1:
        return None
    return _sure(
        0.1, max(most, 1e-9)
    ), f"at the end both replies have moved by less than {max(most, 0.001):.3f} nats"


def _no_signal(f: Facts) -> tuple[str, str] | None:
    if f["accuracy_end"] > 0.8 or f["loss_end"] < 0.5:
        return None
    if "reference_prefers_chosen" not in f:
        return "likely", f"at the end the chosen reply is ahead in only {f['accuracy_end']:.0%} of the pairs"
    se = 0.5 / math.sqrt(f["pairs"])
    if abs(f["reference_prefers_chosen"] - 0.5) > 3 * se:
        return None
    return "clear", (
        f"the chosen reply is ahead in only {f['accuracy_end']:.0%} of the pairs, and the reference prefers "
        f"it in {f['reference_prefers_chosen']:.0%}: no better than a coin"
    )


def _by_heart(f: Facts) -> tuple[str, str] | None:
    gap = f["accuracy_end"] - f["accuracy_held_out"]
    if f["accuracy_held_out"] > 0.6 or gap < 0.25:
        return None
    return "likely", (
        f"the chosen reply is ahead in {f['accuracy_end']:.0%} of the pairs trained on and in "
        f"{f['accuracy_held_out']:.0%} of those kept aside"
    )


def _against_reference(f: Facts) -> tuple[str, str] | None:
    if f["reference_prefers_chosen"] > 0.35:
        return None
    return "likely", (  # flipped labels and an honest wish look alike
        f"a token for a token, the reference finds the chosen reply likelier in only "
        f"{f['reference_prefers_chosen']:.0%} of the pairs"
    )


def _beta_low(f: Facts) -> tuple[str, str] | None:
    margin = f["chosen_end"] - f["rejected_end"]
    if f["accuracy_end"] < 0.75 or margin < 3 or f["loss_end"] < 0.6:
        return None
    return _sure(margin, 3), (
        f"the chosen reply is ahead in {f['accuracy_end']:.0%} of the pairs by {margin:.1f} nats, and the "
        f"loss is still {f['loss_end']:.2f}: beta = {f['beta']:g} calls for far more"
    )


def _displacement(f: Facts) -> tuple[str, str] | None:
    margin = f["chosen"] - f["rejected"]
    if f["changed"] > 0.2 or f["chosen"] > -2 * f["chosen_se"] or f["chosen_kl"] < 0.35 * margin:
        return None
    return _sure(0.2, f["changed"]), (
        f"the two replies share {1 - f['changed']:.0%} of their tokens; the chosen one fell by "
        f"{-f['chosen']:.1f} nats while the margin grew by {margin:.1f}"
    )


def _pressure(f: Facts) -> tuple[str, str] | None:
    fall = f["chosen_end"] / f["chosen_logged"] if f["chosen_logged"] < 0 else 0.0
    if fall < 0.125:
        return None
    return _sure(fall, 0.125), (
        f"the chosen replies lost {-f['chosen_end']:.1f} nats, {fall:.0%} of what the reference gave them "
        f"({f['chosen_logged']:.1f}): more than a policy loses that stays near its data"
    )


def _bf16(f: Facts) -> tuple[str, str] | None:
    if not f["bf16_weights"]:
        return None
    return "likely", "the weights are stored in bfloat16, where a small update is rounded away"


def _kl_effect(f: Facts) -> tuple[str, str] | None:
    if f["chosen"] > -2 * f["chosen_se"] or not 0.5 < f["k"] < 1.6 or f["ranked_right"] < 0.6:
        return None
    return _sure(0.5, abs(f["k"] - 1)), (
        f"the chosen replies fell by {-f['chosen']:.2f} nats; text that the reference itself would write "
        f"fell by {f['chosen_kl']:.2f} at the same places (k = {f['k']:.2f})"
    )


def _healthy(f: Facts) -> tuple[str, str] | None:
    if f["accuracy_end"] < 0.6 or f["loss_end"] > 0.675 or f["chosen_end"] < f["rejected_end"]:
        return None
    where = "at the end of the log" if "records" in f else "in these pairs"
    ahead, loss = f"{f['accuracy_end']:.0%}", f"{f['loss_end']:.2f}"
    moved = f"the chosen moved by {f['chosen_end']:+.2f} nats and the rejected by {f['rejected_end']:+.2f}"
    told = f"{where} the chosen reply is ahead in {ahead} of the pairs, the loss is {loss}; {moved}"
    if f["chosen_end"] < 0:
        told += "; a chosen reward below 0 is no fault while the rejected one falls more"
    return ("clear" if "loss_start" in f else "likely"), told


def _curves_only(f: Facts) -> tuple[str, str] | None:
    """Curves alone look well in many runs that are broken, so this is no verdict on the run."""
    found = None if "changed" in f else _healthy(f)
    return ("likely", f"{found[1]}; most faults of data and scoring do not show in curves") if found else None


STARTS = ("loss_start", "chosen_start", "rejected_start")
ENDS = ("chosen_end", "rejected_end")
LOGGED = tuple(
    f"{side}_{what}" for side in SIDES for what in ("logged", "logged_se", "rescored", "rescored_se")
)
CAUSES = (
    Cause(
        "not finite",
        "too much pressure",
        ("not_finite",),
        _not_finite,
        "Lower the learning rate, compute in bf16 and not in fp16, read the pairs where it began.",
        "05_train_dpo",
    ),
    Cause(
        "dropout in training",
        "scoring mismatch",
        STARTS,
        _dropout,
        "Set every dropout of the policy to 0, or score in eval mode.",
        "05_train_dpo",
    ),
    Cause(
        "policy and reference do not begin alike",
        "scoring mismatch",
        STARTS,
        _unlike,
        "Give the trainer as reference the model that the policy began as, with the same tokenizer and "
        "template. The first step cannot tell another model from another text.",
        "08_reference_policy",
    ),
    Cause(
        "other tokens were trained than are scored",
        "scoring mismatch",
        LOGGED,
        _mismatch,
        "Compare template, boundary and EOS of the trainer with `dpoq-lab check --model`; try --whole-yield.",
        "05_train_dpo",
    ),
    Cause(
        "truncation",
        "data fault",
        ("cut",),
        _truncation,
        "Raise the maximal length, or leave these pairs out.",
        "05_train_dpo",
    ),
    Cause(
        "labels contradict each other",
        "data fault",
        ("contradicted",),
        _contradicted,
        "Leave these pairs out, or keep one of the two labels: `dpoq-lab check` counts them.",
        "08_reference_policy",
    ),
    Cause(
        "nothing learned",
        "nothing learned",
        ENDS,
        _nothing_learned,
        "Raise the learning rate; see that the adapter or the weights are trained at all.",
        "05_train_dpo",
    ),
    Cause(
        "labels without signal",
        "data fault",
        ("accuracy_end", "loss_end"),
        _no_signal,
        "Read twenty pairs: is the chosen reply better? Look for contradictory pairs with `dpoq-lab check`.",
        "08_reference_policy",
    ),
    Cause(
        "labels against the reference",
        "data fault",
        ("reference_prefers_chosen",),
        _against_reference,
        "Flipped labels look like this, and so do pairs that ask for what the model does not do: read some.",
        "06_token_rewards",
    ),
    Cause(
        "displacement",
        "too much pressure",
        ("changed", "chosen", "rejected", "chosen_se", "chosen_kl"),
        _displacement,
        "Use pairs that differ more, a higher beta or a lower rate, or add the loss of SFT on the chosen.",
        "08_reference_policy",
    ),
    Cause(
        "too much pressure",
        "too much pressure",
        (*ENDS, "accuracy_end", "loss_end"),
        lambda f: _beta_low(f) or (_pressure(f) if "chosen_logged" in f else None),
        "Lower the learning rate or train for fewer steps, or raise beta.",
        "08_reference_policy",
    ),
    Cause(
        "weights in bf16",
        "caution",
        ("bf16_weights",),
        _bf16,
        "Keep the weights that are trained in float32 and compute in bf16 (autocast).",
        "05_train_dpo",
    ),
    Cause(
        "learned by heart",
        "caution",
        ("accuracy_end", "accuracy_held_out"),
        _by_heart,
        "Labels without signal look like this, and so do few pairs read often: read some pairs, train less.",
        "05_train_dpo",
    ),
    Cause(
        "expected: the chosen reward falls with its reference",
        "expected",
        ("chosen", "chosen_se", "k", "ranked_right"),
        _kl_effect,
        "Nothing is broken. It falls because the reference was fitted to replies like these.",
        "08_reference_policy",
    ),
    Cause(
        "nothing wrong in the curves",
        "healthy",
        (*ENDS, "accuracy_end", "loss_end"),
        _curves_only,
        "Score the pairs it was trained on (--pairs): what is not tested is listed.",
        "05_train_dpo",
    ),
    Cause(
        "healthy",
        "healthy",
        (*ENDS, "accuracy_end", "loss_end", "changed"),
        _healthy,
        "These tests find nothing to mend.",
        "05_train_dpo",
    ),
)
