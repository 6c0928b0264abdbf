"""Lesson 03's exercises: a right answer in another form, and what a student is shown for a wrong one."""

import numpy as np
import torch

from dpoq_lab.lessons.check import CORRECT, OTHER, judge
from dpoq_lab.lessons.l03_inverse_q.exercises import EXERCISES


def by_counts(theta, log_pi_ref, pairs, beta):
    """Each pair as a matrix of counts, w's tokens less l's; the gradient is beta (C - pi * row sums of C)."""
    counts = np.zeros((len(pairs), *np.shape(theta)))
    for n, (w, x, _) in enumerate(pairs):
        for s, a in w:
            counts[n, s, a] += 1
        for s, a in x:
            counts[n, s, a] -= 1
    weight = np.array([p for *_, p in pairs])
    log_pi = theta - np.logaddexp.reduce(theta, axis=1, keepdims=True)
    margin = beta * (counts * (log_pi - log_pi_ref)).sum(axis=(1, 2))
    slope = weight * (1 / (1 + np.exp(-margin)) - 1)
    by_log_pi = beta * np.tensordot(slope, counts, 1)
    gradient = by_log_pi - np.exp(log_pi) * by_log_pi.sum(axis=1, keepdims=True)
    return weight @ np.logaddexp(0, -margin), gradient


def by_autograd(theta, log_pi_ref, pairs, beta):
    """The loss in torch, its gradient by autograd."""
    logits = torch.tensor(theta, requires_grad=True)
    r_hat = beta * (logits.log_softmax(1) - torch.tensor(log_pi_ref))
    margins = [sum(r_hat[at] for at in w) - sum(r_hat[at] for at in x) for w, x, _ in pairs]
    loss = -sum(p * torch.nn.functional.logsigmoid(m) for m, (*_, p) in zip(margins, pairs, strict=True))
    loss.backward()
    return loss, logits.grad


def test_the_loss_by_counts_and_the_gradient_by_autograd_are_correct():
    assert judge(EXERCISES["03.2"], by_counts) == CORRECT
    assert judge(EXERCISES["03.2"], by_autograd) == CORRECT


def test_a_mistake_that_is_not_listed_is_shown_on_one_state_and_two_tokens():
    def halved(*case):
        loss, gradient = by_counts(*case)
        return loss, gradient / 2

    verdict = judge(EXERCISES["03.2"], halved).splitlines()
    assert verdict[0] == OTHER
    assert verdict[1].strip().startswith("theta = [[0.5, 0.0]], log_pi_ref = [[-0.5108, -0.9163]], pairs = ")
