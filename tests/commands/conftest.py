"""Two models and two pairs in a folder, for those who score them."""

import pytest

from dpoq_lab import models
from dpoq_lab.preferences import Pair, write_pairs

HOSTILE = '</script><img src=x onerror="alert(1)">'


@pytest.fixture
def folders(tiny, tokenizer, tmp_path):
    models.save(tiny, tokenizer, tmp_path / "policy")
    models.save(models.tiny(seed=1), tokenizer, tmp_path / "reference")
    pairs = [
        Pair(
            [{"role": "user", "content": HOSTILE}], "Yes, gladly.", f"No. {HOSTILE}", rejected_flaws=((0, 2),)
        ),
        Pair([{"role": "user", "content": "Hi"}], "Hello there.", "What now?"),
    ]
    write_pairs(pairs, tmp_path / "pairs.jsonl")
    return tmp_path
