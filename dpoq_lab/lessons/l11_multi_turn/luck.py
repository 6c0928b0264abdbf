"""The luck of a conversation, and population DPO whose margin has a learned term for it.

Luck is what a return holds beside V*(s_0) and the credit of the model's messages: at a reply of the user
V*(s') - E V*(s'), at the guess right or wrong less the mean of that. N conversations, two outcomes each.
"""

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import expit
from torch.nn.functional import softplus

from dpoq_lab.lessons.l11_multi_turn.theory import Dialogue
from dpoq_lab.theory.population_dpo import token_weights
from dpoq_lab.theory.soft_bellman import environment_luck, solve
from dpoq_lab.theory.token_mdp import Levels, trajectories


def reply_luck(talk: Dialogue) -> np.ndarray:
    """V*(s') - E V*(s') at the user's replies, summed over each conversation, (N,)."""
    return environment_luck(talk.game.mdp, solve(talk.game.mdp, talk.game.r))[talk.rows]


def whole_luck(talk: Dialogue) -> np.ndarray:
    """The luck of the replies and of the guess, by outcome, (N, 2)."""
    return reply_luck(talk)[:, None] + talk.outcomes - talk.mean[:, None]


def dpo_with_learned_luck(talk: Dialogue, iterations: int = 3000) -> Levels:
    """The policy of population DPO on own-user labels with a learned number for each thing that a user can
    say and each way a guess can end, of mean 0 where it is drawn, as a term of the margin."""
    mdp, terms = talk.game.mdp, torch.tensor(luck_terms(talk))
    weights = token_weights(mdp)[talk.rows].toarray().repeat(2, axis=0)  # (2N, tokens): right, wrong
    used = np.flatnonzero(abs(weights).sum(axis=0))
    C = torch.tensor(weights[:, used])
    ref, allowed = (torch.tensor(np.concatenate(levels)) for levels in (mdp.pi_ref, mdp.allowed))
    chance, R = (talk.law[:, None] * talk.chances).ravel(), talk.outcomes.ravel()
    first, second = np.triu_indices(len(R), k=1)
    weight, label = torch.tensor(chance[first] * chance[second]), torch.tensor(expit(R[first] - R[second]))

    def log_policy(x: torch.Tensor) -> torch.Tensor:
        logits = x[: ref.numel()].reshape(ref.shape)
        return logits.masked_fill(~allowed, -torch.inf).log_softmax(dim=1)

    def loss_and_gradient(start: np.ndarray) -> tuple[float, np.ndarray]:
        x = torch.tensor(start, requires_grad=True)
        ratio = (log_policy(x).masked_fill(~allowed, 0.0) - ref.log().masked_fill(~allowed, 0.0)).ravel()
        total = mdp.beta * C @ ratio[used] + terms @ x[ref.numel() :]
        margin = total[first] - total[second]
        loss = (weight * (softplus(-margin) + (1 - label) * margin)).sum()
        [gradient] = torch.autograd.grad(loss, x)
        return loss.item(), gradient.numpy()

    begin = np.concatenate([ref.log().masked_fill(~allowed, 0.0).ravel(), np.zeros(terms.shape[1])])
    options = {"maxiter": iterations, "maxfun": 4 * iterations, "ftol": 0, "gtol": 1e-12, "maxcor": 50}
    found = minimize(loss_and_gradient, begin, jac=True, method="L-BFGS-B", options=options)
    pi = log_policy(torch.tensor(found.x)).exp().numpy()
    return np.split(pi, np.cumsum([len(level) for level in mdp.pi_ref[:-1]]))


def luck_terms(talk: Dialogue) -> np.ndarray:
    """What was said and how the guess ended, each less its mean, (2N, terms); right before wrong."""
    game, every = talk.game, trajectories(talk.game.mdp)
    found: list[dict[tuple, float]] = []
    for k, row in enumerate(talk.rows):
        said: dict[tuple, float] = {}
        for t, (state, token) in enumerate(zip(every.states[row], every.tokens[row], strict=True)):
            if state >= 0 and game.who[t][state] == "user":
                law = game.mdp.pi_ref[t][state]
                said |= {(t, int(state), o): float(token == o) - law[o] for o in (0, 1)}
        found += [said | {("guess", k): is_right - talk.right[k]} for is_right in (1, 0)]
    names = sorted({name for terms in found for name in terms}, key=str)
    return np.array([[terms.get(name, 0.0) for name in names] for terms in found])
