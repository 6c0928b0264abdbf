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
from statistics import stdev

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from dpoq_lab import models
from dpoq_lab.commands import cli

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


def test_x(run):
    there, printed = run
    print(printed)
    print((there / "out/summary.json").read_text())
    assert 0
