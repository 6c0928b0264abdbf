"""Model folders with code in them, and with tokenizers that are not what they should be."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

from hostile.case import EITHER, Case, Lay, edited_json, files, inspect, removed, train
from hostile.case import cut as torn
from hostile.case import several as both
from hostile.model_folders import model, refused, taken

AT, CONFIG = "model/tokenizer.json", "model/tokenizer_config.json"
CODE = "open('code-ran', 'w').close()\n"
REMOTE = {
    "AutoConfig": "evil.Config",
    "AutoModelForCausalLM": "evil.Model",
    "AutoTokenizer": ["evil.T", None],
}


def cases(rng: Random) -> Iterator[Case]:
    """Code, then tokenizers."""
    yield from _of_code(rng)
    yield from _of_tokenizers(rng)


def _of_code(rng: Random) -> Iterator[Case]:
    """Code in a model's folder is never run: what runs leaves a file, and that is seen."""
    evil = files({"model/evil.py": CODE, "model/custom_generate/generate.py": CODE})
    for file in ("config", "tokenizer_config", "generation_config"):
        change = both(evil, edited_json(f"model/{file}.json", {"auto_map": REMOTE}))
        yield from taken("models: code", f"auto_map in {file}", change, EITHER)
    for file in ("processor_config", "preprocessor_config", "video_preprocessor_config"):
        change = both(evil, files({f"model/{file}.json": json.dumps({"auto_map": REMOTE})}))
        yield from taken("models: code", f"auto_map in {file}", change, EITHER)
    unknown = edited_json("model/config.json", {"auto_map": REMOTE, "model_type": "evil"})
    yield from refused(rng, "models: code", "auto_map of an unknown type", both(evil, unknown))
    away = {"AutoModelForCausalLM": "someone/evil--evil.Model"}
    change = edited_json("model/config.json", {"auto_map": away, "model_type": "evil"})
    yield from refused(rng, "models: code", "auto_map to another place", change)
    change = both(
        evil, edited_json("model/tokenizer_config.json", {"tokenizer_class": "Evil"} | {"auto_map": REMOTE})
    )
    yield from taken("models: code", "a tokenizer class of its own", change, EITHER)
    change = both(evil, files({"model/generation_config.json": "[]"}))
    yield from taken("models: code", "generation_config a list", change, EITHER)
    change = both(evil, files({"model/__init__.py": CODE, "model/llama.py": CODE, "torch.py": CODE}))
    yield from taken("models: code", "modules beside the weights", change)


def _more_words(here: Path) -> None:
    """A tokenizer that has a word more than the model, and pairs that use it."""
    path = here / "model/tokenizer.json"
    held = json.loads(path.read_text(encoding="utf-8"))
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    held["added_tokens"].append({"id": 2048, "content": "Name"} | plain)
    path.write_text(json.dumps(held), encoding="utf-8")


ENDLESS = "{% for i in range(9**5) %}{% for j in range(9**5) %}{% endfor %}{% endfor %}"
NAMED = {"no EOS": "EOS", "EOS null": "EOS", "no words": "identical", "more words than the model": "2048"}
TOKENIZERS: dict[str, Lay] = {
    "missing": removed(AT, CONFIG),
    "tokenizer.json missing": removed(AT),
    "torn": torn(AT, 0.5),
    "empty": files({AT: ""}),
    "a list": files({AT: "[]"}),
    "an empty object": files({AT: "{}"}),
    "a model of a kind nobody knows": edited_json(AT, {"model": {"type": "Nonsense"}}),
    "no words": edited_json(AT, {"model": {"type": "BPE", "vocab": {}, "merges": []}, "added_tokens": []}),
    "tokenizer_config torn": torn(CONFIG, 0.5),
    "tokenizer_config a list": files({CONFIG: "[]"}),
    "no EOS": edited_json(CONFIG, {"eos_token": ...}),
    "EOS null": edited_json(CONFIG, {"eos_token": None}),
    "EOS a number": edited_json(CONFIG, {"eos_token": 5}),
    "more words than the model": _more_words,
}
TEMPLATES = {
    "template torn": "{% for",
    "no template": None,
    "template that says nothing": "",
    "template that leaves out the reply": "{{ messages[0]['content'] }}",
    "template that refuses": "{{ raise_exception('no\x1b[31m') }}",
    "template without end": ENDLESS,
}


def _of_tokenizers(rng: Random) -> Iterator[Case]:
    kind = "models: tokenizer"
    for name, change in TOKENIZERS.items():
        named = NAMED.get(name, "model")
        yield from refused(rng, kind, name, change, named)
        yield Case(kind, f"trained too, {name}", train(model="model"), model(change), (1,), named)
    for name, template in TEMPLATES.items():
        gone, there = removed("model/chat_template.jinja"), {"model/chat_template.jinja": template or ""}
        change = gone if template is None else files(there)
        yield Case(kind, name, inspect(policy="model"), model(change, chat=True), (1,), "template", slow=True)
    yield from taken(kind, "no pad", edited_json(CONFIG, {"pad_token": ...}))
    yield from taken(kind, "template torn, not used", files({"model/chat_template.jinja": "{% for"}))
