"""`inspect` of four pairs by hand: every number of its summary, all that it prints, and its page.

Both models say the same law at every state, whatever was said before:

    word    policy  reference   log pi/pi_ref
    " b"     1/2      1/4        ln 2
    " c"     1/16     1/4       -2 ln 2
    " a"     3/32     1/8        ln 3/4
    others  11/32     3/8        ln 11/12, EOS ("E") among them

So replies are words of four letters, and all that is said of them is counting. No two roles are alike: policy
and reference, chosen and rejected, the two KLs, right by reward and right by likelihood.
"""

import json
import math
import re
from html import unescape
from inspect import Parameter, signature
from statistics import stdev

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from dpoq_lab import models
from dpoq_lab.columns import How
from dpoq_lab.commands import cli
from dpoq_lab.commands.scored import score

IDS = {"b": 277, "c": 272, "a": 262}
LN2, A, E = math.log(2), math.log(3 / 4), math.log(11 / 12)
NATS = {"b": LN2, "c": -2 * LN2, "a": A, "E": E}
BETA = 0.5
KL_REF_PI = LN2 / 4 - A / 8 - 3 * E / 8  # 1/4 (-ln 2) + 1/4 (2 ln 2) + 1/8 (-A) + 3/8 (-E)
KL_PI_REF = 3 * LN2 / 8 + 3 * A / 32 + 11 * E / 32  # 1/2 ln 2 - 1/16 2 ln 2 + 3/32 A + 11/32 E
PAIRS = [("bcbbE", "baccE"), ("cE", "bbbaE"), ("bbE", "ccaE"), ("aE", "caE")]
CHOSEN, REJECTED = zip(*PAIRS, strict=True)
PROMPTS = ["Go", "Say <b>", "On", "Well"]
PLACES = [1, 3, 4, 5]  # lines: the second one lacks its rejected reply
FLAW = (4, 6)  # of the first rejected reply: its third word, the first " c"


def says(laws, others, tokenizer):
    """A model of this law: its states are all one vector, so that its logits are a column of its words."""
    size = len(tokenizer)
    config = GPT2Config(
        vocab_size=size, n_embd=2, n_layer=1, n_head=1, n_positions=64, bos_token_id=0, eos_token_id=0
    )
    model = GPT2LMHeadModel(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.transformer.ln_f.bias[0] = 1.0
        words = model.transformer.wte.weight[:, 0]
        words.fill_(math.log(others / (size - len(laws))))
        for word, p in laws.items():
            words[IDS[word]] = math.log(p)
    return model


def text(reply):
    return "".join(f" {word}" for word in reply[:-1])


@pytest.fixture(scope="module")
def run(tmp_path_factory, tokenizer):
    """The folder, and what the command printed."""
    there = tmp_path_factory.mktemp("by_hand")
    assert tokenizer(" b c a")["input_ids"] == [IDS[word] for word in "bca"]
    models.save(says({"b": 1 / 2, "c": 1 / 16, "a": 3 / 32}, 11 / 32, tokenizer), tokenizer, there / "tuned")
    models.save(says({"b": 1 / 4, "c": 1 / 4, "a": 1 / 8}, 3 / 8, tokenizer), tokenizer, there / "base")
    rows = [
        {"prompt": prompt, "chosen": text(chosen), "rejected": text(rejected)}
        for prompt, (chosen, rejected) in zip(PROMPTS, PAIRS, strict=True)
    ]
    rows[0]["rejected_flaws"] = [list(FLAW)]
    rows.insert(1, {"prompt": "Go", "chosen": " b"})
    (there / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    names = {"policy": "tuned", "reference": "base", "pairs": "pairs.jsonl", "out": "out"}
    words = [word for option, name in names.items() for word in (f"--{option}", str(there / name))]
    with pytest.MonkeyPatch.context() as patch:
        printed = []
        patch.setattr("builtins.print", lambda *words, **_: printed.extend(words))
        assert cli.main(["inspect", *words, "--beta", str(BETA)]) == 0
    return there, "\n".join(printed).replace(f"{there}/", "")


def sums(replies, of=NATS):
    """Log-ratio of each reply, in nats."""
    return [sum(of[word] for word in reply) for reply in replies]


MARGINS = [BETA * m for m in (4 * LN2 - A, -5 * LN2 - A, 6 * LN2 - A, 2 * LN2)]


def test_the_margins_are_the_sums():
    both = zip(sums(CHOSEN), sums(REJECTED), strict=True)
    assert [BETA * (good - bad) for good, bad in both] == pytest.approx(MARGINS)


def flat(value, name=""):
    """Nested lists and dicts as one dict of numbers and texts."""
    if not isinstance(value, dict | list):
        return {name: value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {path: leaf for k, inner in items for path, leaf in flat(inner, f"{name}/{k}").items()}


def assert_same(found, expected, abs=3e-6):
    assert flat(found) == pytest.approx(flat(expected), abs=abs)


def summary_of(run):
    summary = json.loads((run[0] / "out" / "summary.json").read_text())
    del summary["provenance"]  # another test's
    return summary


def share(value, low, high):
    return {"share": value, "interval_95": [low, high]}


def test_what_was_scored_who_is_ahead_who_falls_and_the_kls(run):
    """Right by reward: all but the second; by likelihood: all. Chosen falls in the second and the last,
    rejected in all but the second. The intervals are Wilson's of 1, 2, 3 and 4 of 4 at 95%."""
    summary, there = summary_of(run), run[0]
    names = ("policy", "reference", "source", "truncated", "read", "notes", "beta")
    assert [summary[name] for name in names] == [
        *(str(there / name) for name in ("tuned", "base", "pairs.jsonl")),
        *(0, 4, {}, 0.5),
    ]
    assert summary["pair_accuracy"] == {"accuracy": 0.75, "interval_95": [0.3006, 0.9544], "pairs": 4}
    likelihood = {"accuracy": 1.0, "interval_95": [0.5101, 1.0], "pairs": 4}
    assert summary["pair_accuracy_by_likelihood"] == likelihood
    assert summary["chosen_reward_sum_mean"] == pytest.approx((LN2 + A + 4 * E) / 8, abs=3e-6)
    assert summary["rejected_reward_sum_mean"] == pytest.approx((-6 * LN2 + 4 * A + 4 * E) / 8, abs=3e-6)
    assert summary["margin_mean"] == pytest.approx((7 * LN2 - 3 * A) / 8, abs=3e-6)
    assert summary["falls"] == {
        "chosen": share(0.5, 0.15, 0.85),
        "rejected": share(0.75, 0.3006, 0.9544),
        "both": share(0.25, 0.0456, 0.6994),
    }
    assert summary["kl_ref_pi_token_mean"] == pytest.approx(KL_REF_PI, abs=2e-6)
    assert summary["kl_pi_ref_token_mean"] == pytest.approx(KL_PI_REF, abs=2e-6)
    assert [text.split(" a token")[0] for text in summary["kl_assumes"].values()] == [
        "KL(pi_ref || pi)",
        "KL(pi || pi_ref)",
    ]
    assert [text.split(" as ")[-1] for text in summary["kl_assumes"].values()] == [
        "pi_ref writes",
        "pi writes",
    ]
    assert summary["not_scored"] == {"responses": 8, "observations": 0, "tails": {}}


def test_where_the_rewards_lie(run):
    """The replies of a pair share "b", "c" and E; E; E; "a" and E, and begin alike in the first pair alone.

    So of the chosen "bb", "c", "bb" are changed, of the rejected "ac", "bbba", "cca", "c".
    """
    summary = summary_of(run)
    rows = {
        "chosen": (LN2, 2 * LN2, -2 * LN2 + A, 4 * E),
        "rejected": (LN2, -5 * LN2 + 3 * A, -2 * LN2 + A, 4 * E),
    }
    names = ("shared start", "changed", "shared later", "end")
    assert_same(
        summary["reward_parts"],
        [
            {"actions": n, "side": side, "replies": 4} | {p: v / 8 for p, v in zip(names, row, strict=True)}
            for n in ("all", "1-16")
            for side, row in rows.items()
        ],
    )
    along = {
        "chosen": [A / 8, (2 * E - LN2) / 8, (LN2 + E) / 4, LN2 / 2, E / 2],
        "rejected": [-LN2 / 4, (2 * A - LN2) / 8, (A + E - LN2) / 8, (A + E - 2 * LN2) / 6, E / 2],
    }
    assert_same(summary["along"], along)


def test_the_facts_that_are_diagnosed(run):
    """log pi_ref of " b" and " c" is ln 1/4, of " a" ln 1/8, of EOS ln 3/8 less that of its 2045 words."""
    summary, n = summary_of(run), 4
    end = math.log(3 / 8 / 2045)
    of_reference = {"b": -2 * LN2, "c": -2 * LN2, "a": -3 * LN2, "E": end}
    columns = {"chosen": sums(CHOSEN), "rejected": sums(REJECTED)}
    rescored = {side: sums(of, of_reference) for side, of in (("chosen", CHOSEN), ("rejected", REJECTED))}
    tokens = {"chosen": 12 / n, "rejected": 17 / n}
    means = {side: sum(column) / n for side, column in columns.items()}
    each_side = {
        name: value
        for side in ("chosen", "rejected")
        for name, value in {
            side: means[side],
            f"{side}_kl": tokens[side] * KL_REF_PI,
            f"{side}_tokens": tokens[side],
            f"{side}_rescored": sum(rescored[side]) / n,
            f"{side}_rescored_se": stdev(rescored[side]) / 2,
            f"{side}_cut": 0.0,
        }.items()
    }
    assert summary["facts"] == pytest.approx(
        each_side
        | {
            "changed": (1 - 6 / 10 + 1 - 2 / 7 + 1 - 2 / 7 + 1 - 4 / 5) / n,
            "pairs": 4.0,
            "beta": BETA,
            "loss": sum(math.log1p(math.exp(-m)) for m in MARGINS) / n,
            "ranked_right": 0.75,
            "reference_prefers_chosen": 0.25,  # by token: the first pair alone
            "cut": 0.0,
            "contradicted": 0.0,
            "chosen_se": stdev(columns["chosen"]) / 2,
            "k": -means["chosen"] / (3 * KL_REF_PI),
        },
        abs=1e-5,  # sums of up to 5 words, each to 2e-6: the law is float32
    )
    plane = [
        [column / len(reply) for column, reply in ((good, pair[0]), (bad, pair[1]))]
        for good, bad, pair in zip(*columns.values(), PAIRS, strict=True)
    ]
    dots = [[*dot, margin] for dot, margin in zip(plane, MARGINS, strict=True)]
    assert_same(summary["plane"], dots, abs=1e-5)  # written in five digits
    assert summary["half_reach"] == {"chosen": 3, "rejected": 5}  # places that two of four reach


# reply, its steepest token and its place: "c" in five replies, then " b" in two, then " a"
STEEPEST = """0 chosen 1 c|0 rejected 2 c|1 chosen 0 c|2 rejected 0 c|3 rejected 0 c
|1 rejected 0 b|2 chosen 0 b|3 chosen 0 a"""


def test_the_worst_pairs_and_the_steepest_tokens(run):
    summary, place = summary_of(run), f"{run[0]}/pairs.jsonl:"
    worst = [{"pair": k, "where": f"{place}{PLACES[k]}", "margin": MARGINS[k]} for k in (1, 3, 0, 2)]
    assert_same(summary["worst_pairs"], worst)
    moved = {"gained": [[" b", 1 / 4, 1 / 2]], "lost": [[" c", 1 / 4, 1 / 16], [" a", 1 / 8, 3 / 32]]}
    expected = []
    for row in STEEPEST.split("|"):
        pair, side, at, word = row.split()
        where = {"pair": int(pair), "where": f"{place}{PLACES[int(pair)]}", "role": side, "at": int(at)}
        expected.append(where | {"token": f" {word}", "log_ratio": NATS[word]} | moved)
    for row in summary["steepest_tokens"]:
        assert row["lost"].pop()[1:] == pytest.approx(
            [3 / 8 / 2045, 11 / 32 / 2045], rel=1e-4
        )  # one of many alike
    assert_same(summary["steepest_tokens"], expected)


def ranks(auroc, low, high, hits=None, n=4, ends=()):
    """A detector's row; the intervals of AUROC are those of the seeded bootstrap."""
    row = {"auroc": auroc, "auroc_interval_95": [low, high]}
    if hits is None:
        return row | {"tokens": 15}
    return row | {"precision_at_1": hits / n, "precision_at_1_interval_95": list(ends), "responses": n}


def test_credit(run):
    """Suspicion ranks words by -r as b < E < a < c, by surprisal of the policy as b < a < c < E, of the
    reference as b = c < a < E.

    Marked: the first "c" of "baccE", which outranks b, a and E and ties with c: 3.5 of 4, and so on. Only
    rejected: cccc aaa bbb against b, c, a, EEEE: 44, 16 and 14.5 of 70. By side: the same against bbbb c:
    36, 36 and 32.5 of 50.
    """
    credit = summary_of(run)["credit"]
    one, none, of_4 = (0.2065, 1.0), (0.0, 0.7935), (0.0, 0.4899)
    names = ("-r", "surprisal of policy", "surprisal of reference")
    rows = {
        "marks": (
            ranks(3.5 / 4, 0.875, 0.875, 1, 1, one),
            ranks(2.5 / 4, 0.625, 0.625, 0, 1, none),
            ranks(1 / 4, 0.25, 0.25, 0, 1, none),
        ),
        "rejected_only": (
            ranks(0.6286, 0.3553, 0.97, 3, 4, (0.3006, 0.9544)),
            ranks(0.2286, 0.0, 0.4333, 0, 4, of_4),
            ranks(0.2071, 0.0, 0.42, 0, 4, of_4),
        ),
        "side": (ranks(0.72, 0.0985, 1.0), ranks(0.72, 0.0985, 1.0), ranks(0.65, 0.6, 0.7004)),
    }
    expected = {truth: dict(zip(names, row, strict=True)) for truth, row in rows.items()}
    expected["marks"] |= {"tokens": 5, "share_positive": 0.2}
    expected["rejected_only"] |= {"tokens": 17, "share_positive": 0.5882}  # 10 of 17
    assert_same(credit, expected | {"pairs": 4})


PRINTED = """\
pairs.jsonl:2: rejected: is missing
1 pairs left out
pair accuracy 0.750 (0.301 to 0.954, 4 pairs)
summed reward: chosen +0.007, rejected -0.707, margin +0.714
less likely than under the reference: chosen in 50% of pairs, rejected in 75% of pairs, both in 25% of pairs
0.2419 nats: KL(pi_ref || pi) a token, exact at each state of these replies; the models' own only if the \
replies are such as pi_ref writes
0.2031 nats: KL(pi || pi_ref) a token, exact at each state of these replies; the models' own only if the \
replies are such as pi writes
"""
TABLES = """
Mean summed reward, by where in the reply (end: EOS and the template's)
actions  side      replies  shared start  changed  shared later    end
all      chosen          4         +0.09    +0.17         -0.21  -0.04
all      rejected        4         +0.09    -0.54         -0.21  -0.04
1-16     chosen          4         +0.09    +0.17         -0.21  -0.04
1-16     rejected        4         +0.09    -0.54         -0.21  -0.04

The steepest tokens, one a reply (pi_ref, pi)
pair  side      token  log pi/pi_ref  gained most there                       lost most there
0     chosen    1: .c          -1.39    .b (0.25 > 0.5)  .c (0.25 > 0.063), .a (0.13 > 0.094)
0     rejected  2: .c          -1.39    .b (0.25 > 0.5)  .c (0.25 > 0.063), .a (0.13 > 0.094)
1     chosen    0: .c          -1.39    .b (0.25 > 0.5)  .c (0.25 > 0.063), .a (0.13 > 0.094)

Pairs, smallest summed margin first
pair  place          margin
1     pairs.jsonl:3   -1.59
3     pairs.jsonl:5   +0.69
0     pairs.jsonl:1   +1.53

Credit assignment over 4 pairs
truth          detector                        AUROC (95%)  precision at 1 (95%)
marks          -r                      0.88 (0.88 to 0.88)   1.00 (0.21 to 1.00)
marks          surprisal of policy     0.62 (0.62 to 0.62)   0.00 (0.00 to 0.79)
marks          surprisal of reference  0.25 (0.25 to 0.25)   0.00 (0.00 to 0.79)
rejected_only  -r                      0.63 (0.36 to 0.97)   0.75 (0.30 to 0.95)
rejected_only  surprisal of policy     0.23 (0.00 to 0.43)   0.00 (0.00 to 0.49)
rejected_only  surprisal of reference  0.21 (0.00 to 0.42)   0.00 (0.00 to 0.49)
side           -r                      0.72 (0.10 to 1.00)
side           surprisal of policy     0.72 (0.10 to 1.00)
side           surprisal of reference  0.65 (0.60 to 0.70)
out/report.html"""


def plain(text):
    """The theme's signs as a keyboard has them: minus, the dot of a space, the arrow."""
    return text.replace("\u2212", "-").replace("\u00b7", ".").replace("\u2192", ">").replace("\u00a0", " ")


def test_what_is_printed(run):
    """All of it but the verdict's two lines, which are the diagnosis's."""
    before, _, rest = plain(run[1]).partition("verdict: ")
    assert before == PRINTED
    # the places are wider in the folder of a test, and so is their column
    folded = re.sub(r"place +margin", "place          margin", rest.partition("\n")[2].partition("\n")[2])
    assert folded == TABLES.removeprefix("\n").join(["\n", ""])


def shown(page):
    """The texts of a piece of HTML, one a cell or block."""
    return [unescape(text) for text in re.sub(r"<[^>]+>", "\n", page).split("\n") if text.strip()]


def page_of(run):
    page = (run[0] / "out" / "report.html").read_text(encoding="utf-8")
    return plain(page.replace(f"{run[0]}/", ""))


TOKEN = (
    r'<span class="dpoq-token ([\w ]+)" role="option" aria-selected="false" aria-label="[^"]*" '
    r'tabindex="[-\d]+" style="--share:(\d+)%"><span class="t">([^<]*)</span><span class="v">([^<]*)</span>'
)
# class, colour in percent of the limit, 0.5 times 2 ln 2, and number of each word
STRIP = {
    "b": ("more", "50", ".b", "+0.35"),
    "c": ("less", "100", ".c", "-0.69"),
    "a": ("less", "21", ".a", "-0.14"),
    "E": ("less", "6", "\u27e8EOS\u27e9", "-0.04"),
}


def test_the_strips_of_the_page(run):
    """Each pair with its prompt, its margin, and a strip a side with the sum; the one flaw is marked."""
    _, *sections = page_of(run).split('<section class="dpoq-pair" ')
    assert len(sections) == 4
    rewards = {"chosen": sums(CHOSEN), "rejected": sums(REJECTED)}
    for k, section in enumerate(sections):
        margin, words = MARGINS[k], len("".join(PAIRS[k]))
        carried = re.match(
            r'data-number="(\d)" data-margin="([-.\d]+)" data-wrong="([-.\d]+)" data-text="([^"]*)">', section
        )
        assert carried[4].split(" | ") == [text(reply) for reply in PAIRS[k]]
        assert list(map(float, carried.groups()[:3])) == pytest.approx([k, margin, margin / words], abs=5e-6)
        head, prompt, *_ = shown(section[carried.end() :])
        assert (head, prompt) == (f"Pair {k}: margin {margin:+.2f}", PROMPTS[k])
        captions = re.findall(r'<div class="dpoq-caption">(.*?)</div>', section)
        assert captions == [f"{side}: sum of r_hat {BETA * of[k]:+.2f}" for side, of in rewards.items()]
        expected = [[STRIP[word] for word in reply] for reply in PAIRS[k]]
        if k == 0:
            expected[1][2] = ("less flaw", *STRIP["c"][1:])
        strips = [re.findall(TOKEN, strip) for strip in section.split('class="dpoq-strip"')[1:]]
        assert strips == expected
    assert shown(page_of(run).partition('<div id="pairs">')[0])[-3:] == [
        *("-0.69 ", " +0.69 \u00a0 r_hat = beta log pi/pi_ref, nats", "larger, smaller"),
    ]


NUMBERS = """number|value
pairs ranked right|0.750 (0.301 to 0.954, 4 pairs)
ranked right by likelihood alone|1.000 (0.510 to 1.000, 4 pairs)
reward of chosen|+0.01
reward of rejected|-0.71
margin|+0.71
chosen less likely|50%
rejected less likely|75%
both less likely|25%
KL(pi_ref || pi) a token|0.2419
KL(pi || pi_ref) a token|0.2031
k|-0.02
reference prefers chosen|25%
replies differ in|51% of tokens"""


def test_the_numbers_of_the_page(run):
    """The same as printed, and each with a name; the lists are longer."""
    numbers = page_of(run).partition('<h2 id="numbers">Numbers</h2>')[2]
    line, *tables = re.split(r"<table[^>]*>", numbers)
    assert shown(line) == []
    about = '<p class="dpoq-about">Policy tuned, reference base, pairs pairs.jsonl, beta 0.5</p>'
    assert about in page_of(run)
    rows = [[shown(row) for row in re.findall(r"<tr>(.*?)</tr>", table)] for table in tables]
    assert ["|".join(row) for row in rows[0]] == NUMBERS.split("\n")
    printed = [re.split("\n", table)[1:] for table in TABLES.strip("\n").split("\n\n")]
    for k, most in ((1, 5), (2, 4), (3, 4), (4, 10)):
        as_printed = [" ".join(row.split()) for row in printed[k - 1]]
        assert [" ".join(row) for row in rows[k][:most]] == as_printed[:most]
    assert len(rows[2]) == 1 + 8
    assert [row[0] for row in rows[3]] == ["pair", "1", "3", "0", "2"]


def test_what_score_takes_if_nothing_is_said():
    defaults = {name: p.default for name, p in signature(score).parameters.items()}
    assert {name: value for name, value in defaults.items() if value is not Parameter.empty} == {
        **{"tokenizer": None, "beta": 0.1, "max_length": 512, "whole_yield": False, "how": How()},
        **{"limit": None, "dtype": "float32", "chat_template": None},
    }
    for beta, error in ((0, ValueError), (-1.0, ValueError), (math.inf, ValueError), (True, TypeError)):
        with pytest.raises(error, match="beta is "):
            score("tiny", "tiny", [], beta=beta)
