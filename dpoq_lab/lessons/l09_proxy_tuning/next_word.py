"""The state of lesson 09's picture: what three models say of the next word where the base is wrong."""

from pathlib import Path

import torch

from dpoq_lab import models
from dpoq_lab.lessons.study import Study
from dpoq_lab.order_notes.language import order_of, order_pairs
from dpoq_lab.order_notes.recipe import encode, stored_policies
from dpoq_lab.paths import data_folder
from dpoq_lab.search.scorers import ModelScorer

PROMPTS, PAIR = (20, 11), 4  # how many prompts of which seed, and which of them
TOLD = (
    "good morning , Anna wants a white mirror . it ships on Friday . the parcel goes to Oslo . the price is"
)
PROXY = "DPO from base"


def measure(size: None, seeds: int, out: Path) -> tuple[dict, str]:
    """log pi of every word after `TOLD`, (n_actions,) each, of base, proxy and its reference."""
    small, [pair] = stored_policies(), encode(order_pairs(*PROMPTS))[PAIR : PAIR + 1]
    large, _ = models.load_frozen(str(data_folder() / "runs" / "order-notes-proxy" / "base-96x3"))
    ids = (*pair.chosen.prompt_ids, *small.tokenizer(TOLD)["input_ids"])
    eos, found = small.tokenizer.eos_token_id, {}
    named = {"base": large, "proxy": small.models[PROXY], "reference": small.models["base"]}
    with torch.no_grad():
        for name, model in named.items():
            log_pi = ModelScorer(model, eos).start(ids)[1][0].double().log_softmax(-1)
            found[f"log_{name}"] = [round(value, 5) for value in log_pi.tolist()]
    words = small.tokenizer.convert_ids_to_tokens(range(len(found["log_base"])))
    right = order_of(pair.pair.prompt)["price"]
    record = {"prompt": pair.pair.prompt, "told": TOLD, "right": right, "words": words} | found
    return record, f"log pi of {len(words)} words; right is {right}"


STUDY = Study("the next word in three models, where the base is wrong", measure, {"ci": None, "laptop": None})
