"""The proxy explorer: lambda moves the mixture and nothing else; its numbers are those of the models."""

import pytest

from dpoq_lab import models
from dpoq_lab.lessons.l09_proxy_tuning.explorer import HIGH, LOW, OUTCOMES, ProxyExplorer, right_word
from dpoq_lab.lessons.l09_proxy_tuning.next_word import PAIR, PROMPTS, TOLD
from dpoq_lab.lessons.l09_proxy_tuning.picture import LAMBDAS, State
from dpoq_lab.lessons.l09_proxy_tuning.study import PROXIES
from dpoq_lab.order_notes.language import order_pairs
from dpoq_lab.order_notes.recipe import encode, stored_policies
from dpoq_lab.paths import data_folder


@pytest.fixture
def explorer():
    policies = stored_policies()
    small = policies.models
    proxies = {name: small[name] for name in ("DPO from base", "DPO from SFT")}
    return ProxyExplorer(
        small["base"], proxies, small["base"], policies.tokenizer, encode(order_pairs(3, 11))
    )


def bars(explorer):
    data = explorer.picture.data
    return {name: dict(zip(data["words"], data[name], strict=True)) for name in ("base", "mixture", "delta")}


def test_at_lambda_0_the_mixture_is_the_base(explorer):
    explorer.lam.value = 0.0
    assert bars(explorer)["mixture"] == pytest.approx(bars(explorer)["base"], abs=1e-6)


def test_the_mixture_is_equation_14_of_what_each_model_says_alone(explorer):
    explorer.lam.value = 1.5
    policies = stored_policies()
    text = f"{order_pairs(3, 11)[0].prompt}hello ,"
    ids = policies.tokenizer(text, return_tensors="pt")["input_ids"]
    names = ("base", "DPO from base", "base")
    p_base, p_proxy, p_ref = (policies.models[name](ids).logits[0, -1].softmax(-1) for name in names)
    weight = p_base * (p_proxy / p_ref) ** 1.5
    for word, p in bars(explorer)["mixture"].items():
        token = policies.tokenizer.convert_tokens_to_ids(word)
        assert p == pytest.approx(float(weight[token] / weight.sum()), abs=1e-5)


def test_lambda_leaves_base_and_delta_alone(explorer):
    before = [log_pi.clone() for log_pi in explorer.log_pis]
    explorer.lam.value = 2.5
    assert all((a == b).all() for a, b in zip(explorer.log_pis, before, strict=True))
    assert "lambda 2.5" in explorer.picture.reading


def test_prompt_proxy_and_text_are_read_again(explorer):
    shown = [bars(explorer)["delta"]]
    explorer.proxy.value = "DPO from SFT"
    shown.append(bars(explorer)["delta"])
    explorer.told.value = "hello , Anna wants a"
    shown.append(bars(explorer)["delta"])
    explorer.pair.value = 2
    shown.append(bars(explorer)["delta"])
    assert all(a != b for a, b in zip(shown, shown[1:], strict=False))


@pytest.fixture
def at_the_picture():
    """The lesson's explorer: the larger base, at the picture's sentence."""
    policies = stored_policies()
    small = policies.models
    large, _ = models.load_frozen(str(data_folder() / "runs" / "order-notes-proxy" / "base-96x3"))
    proxies = {name: small[name] for name in PROXIES}
    orders = encode(order_pairs(*PROMPTS))
    return ProxyExplorer(large, proxies, small["base"], policies.tokenizer, orders, (PAIR, TOLD))


def test_it_opens_at_lambda_1_with_the_numbers_of_the_picture(at_the_picture):
    assert at_the_picture.lam.value == 1.0
    state = State()
    for word in ("35", "40"):
        expected = state.mixture(1.0)[state.words.index(word)]
        assert at_the_picture.probability(word) == pytest.approx(expected, abs=1e-3)
    at_the_picture.lam.value = 0.0
    assert at_the_picture.probability("35") == pytest.approx(LOW, abs=5e-3)
    assert max(state.mixture(lam)[state.right] for lam in LAMBDAS) == pytest.approx(HIGH, abs=5e-3)


def test_the_prediction_is_judged_at_the_asked_for_proxy_and_lambda_alone(at_the_picture):
    explorer = at_the_picture
    explorer.lam.value = 3.0
    assert right_word(explorer) is None  # the picture's proxy
    explorer.proxy.value = "DPO from SFT"
    assert right_word(explorer) == OUTCOMES[2]
    explorer.lam.value = 1.0
    assert right_word(explorer) is None
    explorer.lam.value = 3.0
    explorer.told.value = "hello ,"
    assert right_word(explorer) is None


def test_other_probabilities_give_another_outcome(at_the_picture):
    """With the base proxy's log-probabilities the same move shows what the picture shows."""
    explorer = at_the_picture
    kept = explorer.log_pis
    explorer.proxy.value = "DPO from SFT"
    explorer.log_pis = kept
    explorer.lam.value = 3.0
    assert right_word(explorer) == OUTCOMES[0]
    explorer.log_pis = [kept[0], kept[1] + 0.2 * (explorer.mixture > 0.3), kept[2]]
    explorer._render()
    assert right_word(explorer) == OUTCOMES[1]
