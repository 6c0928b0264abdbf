"""A slow, separate reading of the token MDP with dictionaries and recursion: the oracle of its tests.

A prefix and a trajectory are tuples of tokens. Nothing here is imported from the package; `Tree` takes
the arrays of the package only to copy them, numbering the prefixes of a level lexicographically.
"""

import math
from itertools import product


class Tree:
    """pi_ref and r as dictionaries from (prefix, token); nature moves at `chance`, by level and state."""

    def __init__(self, pi_ref, r, beta, chance=()):
        self.V, self.H, self.beta = len(pi_ref[0][0]), len(pi_ref), beta
        self.pi_ref, self.r = self.table(pi_ref), self.table(r)
        self.chance = {
            prefix
            for t, level in enumerate(chance)
            for i, prefix in enumerate(product(range(self.V - 1), repeat=t))
            if level[i]
        }

    def table(self, levels):
        """(prefix, token) -> number, out of levels (n_t, n_actions)."""
        return {
            (prefix, token): float(level[i][token])
            for t, level in enumerate(levels)
            for i, prefix in enumerate(product(range(self.V - 1), repeat=t))
            for token in range(self.V)
        }

    def tokens(self, prefix):
        return [token for token in range(self.V) if self.pi_ref[prefix, token] > 0]

    def ends(self, prefix, token):
        return token == self.V - 1 or len(prefix) == self.H - 1

    def Q(self, prefix, token):
        value = self.r[prefix, token]
        if prefix not in self.chance:
            value += self.beta * math.log(self.pi_ref[prefix, token])
        return value if self.ends(prefix, token) else value + self.V_star((*prefix, token))

    def V_star(self, prefix):
        if prefix in self.chance:
            return sum(self.pi_ref[prefix, token] * self.Q(prefix, token) for token in self.tokens(prefix))
        return self.beta * math.log(
            sum(math.exp(self.Q(prefix, token) / self.beta) for token in self.tokens(prefix))
        )

    def pi_star(self, prefix, token):
        if prefix in self.chance:
            return self.pi_ref[prefix, token]
        return math.exp((self.Q(prefix, token) - self.V_star(prefix)) / self.beta)

    def trajectories(self):
        """Every complete trajectory, disallowed ones too: by length of the prefix it ends at, then prefix."""
        V, H = self.V, self.H
        short = [(*prefix, V - 1) for t in range(H - 1) for prefix in product(range(V - 1), repeat=t)]
        return short + [(*prefix, a) for prefix in product(range(V - 1), repeat=H - 1) for a in range(V)]

    def steps(self, y):
        return [(y[:t], token) for t, token in enumerate(y)]

    def exists(self, y):
        return all(self.pi_ref[step] > 0 for step in self.steps(y))

    def sum(self, table, y):
        return math.fsum(table[step] for step in self.steps(y))

    def prob(self, table, y):
        return math.prod(table[step] for step in self.steps(y))

    def J(self, pi):
        """E_pi[R - beta sum log pi/pi_ref over the policy's own moves], by enumeration; `pi` as `pi_ref`."""
        total = []
        for y in self.trajectories():
            if self.exists(y):
                own = [step for step in self.steps(y) if step[0] not in self.chance]
                cost = math.fsum(math.log(pi[step] / self.pi_ref[step]) for step in own)
                total.append(self.prob(pi, y) * (self.R(y) - self.beta * cost))
        return math.fsum(total)

    def R(self, y):
        return self.sum(self.r, y)

    def gibbs(self):
        """Z and y -> pi_ref(y) e^{R(y)/beta} / Z, by enumeration."""
        weight = {y: self.prob(self.pi_ref, y) * math.exp(self.R(y) / self.beta) for y in self.trajectories()}
        Z = math.fsum(weight.values())
        return Z, {y: w / Z for y, w in weight.items()}


def preferred(R_w, R_l):
    """Bradley-Terry as eq. (1) prints it."""
    return math.exp(R_w) / (math.exp(R_w) + math.exp(R_l))


def kl(p, q):
    """KL between two dictionaries y -> probability."""
    return math.fsum(p[y] * math.log(p[y] / q[y]) for y in p if p[y] > 0)
