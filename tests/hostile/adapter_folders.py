"""LoRA folders whose base, rank or tensors are not what they should be; needs `peft`, else there is none."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from random import Random

import torch
from safetensors.torch import load_file, save_file

from dpoq_lab import models
from hostile.case import GOOD, Case, Lay, copied, cut, edited_json, files, inspect, removed, several, train
from hostile.model_folders import PICKLE

KIND, CONFIG, WEIGHTS = "models: adapters", "lora/adapter_config.json", "lora/adapter_model.safetensors"


def make_adapter(root: Path) -> None:
    """The folder `lora` beside the cases': an adapter on `../a`, its weights not 0."""
    import peft

    config = peft.LoraConfig(r=2, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    tuned = peft.get_peft_model(models.load(str(root / "a"))[0], config)
    for name, weight in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5, generator=torch.Generator().manual_seed(0))
    tuned.save_pretrained(root / "lora")


def _tensors(change) -> Lay:
    def lay(here: Path) -> None:
        save_file(change(load_file(here / WEIGHTS)), here / WEIGHTS, {"format": "pt"})

    return lay


def _other_base(here: Path) -> None:
    tokenizer = models.tiny_tokenizer()
    models.save(models.build(tokenizer, 64, 1), tokenizer, here / "wide")
    edited_json(CONFIG, {"base_model_name_or_path": "../wide"})(here)


BASES = {
    "missing": ...,
    "empty": "",
    "a number": 5,
    "a list": ["../../a"],
    "a place that is not": "../../nowhere",
    "a URL": "https://example.org/model",
    "itself": "../lora",
    "itself, by a dot": ".",
    "with ANSI": "\x1b[31mred",
    "a pickle": "../pickle.bin",
    "tiny, which is larger": "tiny",
    "of 5000 letters": "x" * 5000,
    "a folder of nothing": "../empty",
}
BAD: dict[str, Lay] = {
    **{
        f"base {name}": edited_json(CONFIG, {"base_model_name_or_path": base}) for name, base in BASES.items()
    },
    "a wider base": _other_base,
    "rank 0": edited_json(CONFIG, {"r": 0}),
    "rank below 0": edited_json(CONFIG, {"r": -1}),
    "rank of another": edited_json(CONFIG, {"r": 4}),
    "rank a string": edited_json(CONFIG, {"r": "2"}),
    "alpha a string": edited_json(CONFIG, {"lora_alpha": "eight"}),
    "targets that are not": edited_json(CONFIG, {"target_modules": ["nonsense"]}),
    "more targets than tensors": edited_json(CONFIG, {"target_modules": ["q_proj", "v_proj", "o_proj"]}),
    "fewer targets than tensors": edited_json(CONFIG, {"target_modules": ["q_proj"]}),
    "type missing": edited_json(CONFIG, {"peft_type": ...}),
    "type unknown": edited_json(CONFIG, {"peft_type": "NONSENSE"}),
    "config a list": files({CONFIG: "[]"}),
    "config torn": cut(CONFIG, 0.5),
    "config empty": files({CONFIG: ""}),
    "weights empty": files({WEIGHTS: b""}),
    "weights torn": cut(WEIGHTS, 0.5),
    "weights missing": removed(WEIGHTS),
    "weights a pickle": several(removed(WEIGHTS), files({"lora/adapter_model.bin": PICKLE})),
    "no tensor": _tensors(lambda held: {}),
    "half of the tensors": _tensors(lambda held: {k: v for k, v in held.items() if "lora_A" in k}),
    "one projection missing": _tensors(lambda held: {k: v for k, v in held.items() if "q_proj" in k}),
    "tensors renamed": _tensors(lambda held: {f"x.{k}": v for k, v in held.items()}),
    "tensors of a layer that is not": _tensors(
        lambda held: held | {k.replace("layers.0", "layers.7"): v.clone() for k, v in held.items()}
    ),
    "tensors of another shape": _tensors(lambda held: {k: v[:1].clone() for k, v in held.items()}),
    "NaN": _tensors(lambda held: {k: v * float("nan") for k, v in held.items()}),
}


def cases(rng: Random) -> Iterator[Case]:
    """Each as the policy of `inspect`, a seeded third trained too; and adapters that are right."""
    if importlib.util.find_spec("peft") is None:
        return
    beside = files({"empty": None, "pickle.bin": PICKLE})
    start = several(
        copied("../lora", "lora"), beside, GOOD, edited_json(CONFIG, {"base_model_name_or_path": "../../a"})
    )
    for name, change in BAD.items():
        lay, asked = several(start, change), inspect(policy="lora", reference="../a")
        yield Case(KIND, f"policy, {name}", asked, lay, (1,), "lora", slow=True)
        if rng.random() < 0.35:
            yield Case(KIND, f"trained, {name}", train(model="lora"), lay, (1,), "lora", slow=True)
    asked = ["inspect", "--policy", "lora", "--pairs", "pairs.jsonl", "--out", "out"]
    yield Case(KIND, "policy, its base the reference", asked, start, (0,), says="pair accuracy", slow=True)
    yield Case(KIND, "trained, a good one", train(model="lora"), start, (0,), says="trained on", slow=True)
    with_pickle = several(start, files({"lora/adapter_model.bin": PICKLE}))
    yield Case(KIND, "policy, a pickle beside", asked, with_pickle, (0,), says="pair accuracy", slow=True)
