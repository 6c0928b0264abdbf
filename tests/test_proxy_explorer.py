"""The proxy explorer: lambda moves the mixture and nothing else; its numbers are those of the models."""

import pytest

from dpoq_lab.language_study import encode, stored_study
from dpoq_lab.languages import order_pairs
from dpoq_lab.proxy_explorer import ProxyExplorer
from dpoq_lab.scorers import MixedScorer


@pytest.fixture
def explorer():
    study = stored_study()[0]
    small = study.policies
    proxies = {name: small[name] for name in ("DPO from base", "DPO from SFT")}
    return ProxyExplorer(small["base"], proxies, small["base"], study.tokenizer, encode(order_pairs(3, 11)))


def bars(explorer):
    words = explorer.figure.layout.yaxis.ticktext
    return {trace.name: dict(zip(words, trace.x, strict=True)) for trace in explorer.figure.data}


def test_at_lambda_0_the_mixture_is_the_base(explorer):
    explorer.lam.value = 0.0
    assert bars(explorer)["mixture"] == pytest.approx(bars(explorer)["base"], abs=1e-6)


def test_the_mixture_is_that_of_the_mixed_scorer(explorer):
    explorer.lam.value = 1.5
    scorer = MixedScorer(
        [explorer._base, explorer._proxies["DPO from base"], explorer._reference], [1.0, 1.5, -1.5]
    )
    ids = (*explorer._pairs[0].chosen.prompt_ids, *explorer._tokenizer("hello ,")["input_ids"])
    expected = scorer.start(ids)[1][0].exp()
    for word, p in bars(explorer)["mixture"].items():
        token = explorer._tokenizer.convert_tokens_to_ids(word.replace("\u2039", "<"))
        assert p == pytest.approx(float(expected[token]), abs=1e-5)


def test_lambda_leaves_base_and_delta_alone(explorer):
    before = explorer._delta.clone()
    explorer.lam.value = 2.5
    assert (explorer._delta == before).all()
    assert "lambda 2.5" in explorer.reading.value


def test_prompt_proxy_and_text_are_read_again(explorer):
    shown = [bars(explorer)["delta"]]
    explorer.proxy.value = "DPO from SFT"
    shown.append(bars(explorer)["delta"])
    explorer.told.value = "hello , Anna wants a"
    shown.append(bars(explorer)["delta"])
    explorer.pair.value = 2
    shown.append(bars(explorer)["delta"])
    assert all(a != b for a, b in zip(shown, shown[1:], strict=False))
