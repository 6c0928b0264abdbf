"""What a prefix is worth in true return: sample the rest of the reply and score it exactly.

V(s_t) = E_pi[R | s_t], and the advantage of a token is V(s_{t+1}) - V(s_t). It is the plain mean, not the
soft value of eq. (6): it needs no beta and far fewer samples. At EOS the return is known.
"""

from transformers import PreTrainedModel, PreTrainedTokenizerFast

from dpoq_lab.encoding import EncodedPair, Response
from dpoq_lab.generation import continuations
from dpoq_lab.languages import true_score


def sample_rest(
    pi: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    prefixes: list[list[int]],
    n: int,
    max_new: int = 60,
    seed: int = 0,
) -> list[list[int]]:
    """n continuations of each prefix at temperature 1, without EOS; cut at `max_new` tokens."""
    eos, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    repeated = [prefix for prefix in prefixes for _ in range(n)]
    rows = continuations(pi, repeated, eos, pad, max_new, seed, do_sample=True, top_k=0)
    return [[token for token in row if token not in (eos, pad)] for row in rows]


def rollout_values(
    pi: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, prompt: str, response: Response, n: int = 16
) -> list[float]:
    """V of every prefix of a reply to an order note, from the empty one to the ended one: T + 1 values."""
    told = response.ids[:-1]
    prefixes = [response.prompt_ids + told[:t] for t in range(len(told) + 1)]
    rests = sample_rest(pi, tokenizer, prefixes, n)
    values = []
    for t in range(len(prefixes)):
        texts = [tokenizer.decode(told[:t] + rest) for rest in rests[t * n : (t + 1) * n]]
        values.append(sum(true_score(prompt, text) for text in texts) / n)
    return [*values, float(true_score(prompt, response.text))]


def rollout_advantages(
    pi: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, prompt: str, response: Response, n: int = 16
) -> list[float]:
    """V(s_{t+1}) - V(s_t) of every token, EOS included; they sum to R - V(s_0)."""
    values = rollout_values(pi, tokenizer, prompt, response, n)
    return [after - before for before, after in zip(values, values[1:], strict=False)]


def mean_true_score(
    pi: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, pairs: list[EncodedPair], seed: int = 0
) -> float:
    """E_pi[R] by one sampled reply to each pair's prompt."""
    replies = sample_rest(pi, tokenizer, [pair.chosen.prompt_ids for pair in pairs], 1, seed=seed)
    return mean_score(tokenizer, replies, pairs)


def mean_score(
    tokenizer: PreTrainedTokenizerFast, replies: list[list[int]], pairs: list[EncodedPair]
) -> float:
    """The mean true score of one reply to each pair's prompt."""
    scores = [
        true_score(pair.pair.prompt, tokenizer.decode(ids)) for pair, ids in zip(pairs, replies, strict=True)
    ]
    return sum(scores) / len(scores)
