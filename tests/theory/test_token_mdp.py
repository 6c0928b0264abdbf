"""The paper's claims about the token MDP, each on 20 random trees, each shown able to fail.

Every test states a claim, checks it to 1e-10, and then makes the mistake that the claim excludes: a
wrong sign, convention or terminal rule must miss by far more than the tolerance. `naive_mdp` is the
oracle; it enumerates trajectories and shares no code with the package.
"""

from dataclasses import replace

import naive_mdp
import numpy as np
import pytest
from hand_made import state_kl
from numpy.testing import assert_allclose

from dpoq_lab.theory.example_trees import WORDS, mushroom_tree
from dpoq_lab.theory.population_dpo import (
    Pairs,
    all_pairs,
    fit_dpo,
    sample_pairs,
    token_weights,
    undetermined,
)
from dpoq_lab.theory.soft_bellman import (
    environment_luck,
    expectation,
    forward_kl,
    guide_by_mean_return,
    implicit_reward,
    log_ratio,
    objective,
    policy_of,
    preference,
    q_without_reference,
    return_residual,
    reverse_kl,
    reward_from_q,
    shape,
    solve,
    trajectory_log_probs,
    trajectory_probs,
    values_under,
)
from dpoq_lab.theory.token_mdp import (
    TokenMDP,
    flat,
    join_prompts,
    levels,
    next_values,
    prefix,
    prefix_sums,
    random_reward,
    random_tree,
    reply_names,
    state_names,
    state_of,
    terminal_only,
    trajectories,
    trajectory_sums,
    uniform_tree,
)

TOL = 1e-10
MISS = 1e-3  # what a wrong version must at least be off by
TREES = pytest.mark.parametrize("seed", range(20))


def tree(seed, shortest=2, **options):
    """A random tree with V in 2..4, H in shortest..5, beta in 0.3..0.9 or 1.2..1.8, and its reward."""
    horizon = max(shortest, 2 + seed // 3 % 4)
    beta = 0.3 + 0.06 * seed if seed <= 10 else 0.6 + 0.06 * seed
    mdp = random_tree(2 + seed % 3, horizon, beta, seed, **options)
    return mdp, random_reward(mdp, 1000 + seed)


def gap(x, y):
    """The largest absolute difference between two quantities given by levels."""
    return max(abs(a - b).max() for a, b in zip(x, y, strict=True))


def times(c, x):
    return [c * level for level in x]


def add(x, y):
    return [a + b for a, b in zip(x, y, strict=True)]


def existing(mdp):
    """(N,) which trajectories hold no disallowed action."""
    return trajectory_probs(mdp.pi_ref) > 0


# The tree, and the solver against brute force.


def test_a_state_decodes_to_its_prefix_and_trajectories_list_their_states():
    mdp = random_tree(4, 4, 1.0, 0)
    assert prefix(mdp, 0, 0) == ()
    assert prefix(mdp, 3, 2 * 9 + 0 * 3 + 1) == (2, 0, 1)
    assert [state_of(mdp, prefix(mdp, 3, i)) for i in range(27)] == list(range(27))
    every, tokens = trajectories(mdp), naive_mdp.Tree(mdp.pi_ref, mdp.pi_ref, 1.0).trajectories()
    assert mdp.n_states == 1 + 3 + 9 + 27
    assert len(tokens) == mdp.n_trajectories == 1 + 3 + 9 + 27 * 4
    for y, row, states, n in zip(tokens, every.tokens, every.states, every.lengths, strict=True):
        assert tuple(row[:n]) == y
        assert [prefix(mdp, t, states[t]) for t in range(n)] == [y[:t] for t in range(n)]
        assert (row[n:] == -1).all()
        assert (states[n:] == -1).all()


@pytest.mark.parametrize(
    "options", [{}, {"forbidden": 0.3}, {"chance": [1]}, {"nature": 0.4, "forbidden": 0.2}], ids=str
)
@TREES
def test_solver_agrees_with_recursion_over_dictionaries(seed, options):
    mdp, r = tree(seed, **options)
    oracle = naive_mdp.Tree(mdp.pi_ref, r, mdp.beta, mdp.chance)
    solution = solve(mdp, r)
    for t, level in enumerate(mdp.pi_ref):
        for i in range(len(level)):
            s = prefix(mdp, t, i)
            assert solution.V[t][i] == pytest.approx(oracle.V_star(s), abs=TOL)
            for a in range(mdp.n_actions):
                if a in oracle.tokens(s):
                    assert solution.Q[t][i, a] == pytest.approx(oracle.Q(s, a), abs=TOL)
                    assert solution.pi[t][i, a] == pytest.approx(oracle.pi_star(s, a), abs=TOL)
                else:
                    assert solution.Q[t][i, a] == -np.inf
                    assert solution.pi[t][i, a] == 0


@pytest.mark.parametrize("options", [{}, {"forbidden": 0.3}], ids=str)
@TREES
def test_sums_laws_and_divergences_agree_with_enumeration(seed, options):
    mdp, r = tree(seed, **options)
    oracle = naive_mdp.Tree(mdp.pi_ref, r, mdp.beta)
    ys, pi = oracle.trajectories(), solve(mdp, r).pi
    table = oracle.table(pi)
    assert_allclose(trajectory_sums(r), [oracle.R(y) for y in ys], atol=TOL, rtol=0)
    assert_allclose(trajectory_probs(pi), [oracle.prob(table, y) for y in ys], atol=TOL, rtol=0)
    p = {y: oracle.prob(table, y) for y in ys}
    p_ref = {y: oracle.prob(oracle.pi_ref, y) for y in ys}
    assert forward_kl(mdp, pi) == pytest.approx(naive_mdp.kl(p_ref, p), abs=TOL)
    assert reverse_kl(mdp, pi) == pytest.approx(naive_mdp.kl(p, p_ref), abs=TOL)
    assert abs(forward_kl(mdp, pi) - reverse_kl(mdp, pi)) > MISS / 10
    assert expectation(mdp, pi, r) == pytest.approx(sum(p[y] * oracle.R(y) for y in ys), abs=TOL)
    refitted = policy_of(mdp, trajectory_probs(pi))
    blocked = prefix_sums([1.0 - mask for mask in mdp.allowed])
    expected = [np.where(b[:, None] == 0, x, ref) for b, x, ref in zip(blocked, pi, mdp.pi_ref, strict=True)]
    assert gap(refitted, expected) < TOL


def test_a_tree_solved_by_hand():
    """two tokens (a, EOS), H=2, beta=1/2, pi_ref = 1/2 everywhere; 'aa' is paid 1/2 ln 3 at its last token.

    Divided by beta = 1/2, in logarithms of:   r/beta   + log pi_ref   + V(s')/beta   = Q/beta
      state (a), the last level:     a         3          1/2             1              3/2
                                     EOS       1          1/2             1              1/2
          V((a))/beta = log(3/2 + 1/2) = log 2; pi* = 3/4, 1/4
      state (), the start:           a         1          1/2             2              1
                                     EOS       1          1/2             1              1/2
          V(())/beta = log(1 + 1/2) = log 3/2; pi* = 2/3, 1/3
    So pi*(aa) = 2/3 * 3/4 = 1/2, pi*(a EOS) = 1/6, pi*(EOS) = 1/3; and by Gibbs 1/4 * 3 : 1/4 : 1/2,
    which is 1/2 : 1/6 : 1/3 after dividing by Z = 3/2. The first 'a' is paid nothing, yet its implicit
    reward is beta log (2/3)/(1/2) = 1/2 ln 4/3: it makes the reward that follows likelier.
    """
    mdp = uniform_tree(2, 2, beta=0.5)
    solution = solve(mdp, [np.zeros((1, 2)), np.array([[0.5 * np.log(3), 0]])])
    half_log = lambda *x: 0.5 * np.log([x])  # noqa: E731
    assert_allclose(solution.Q[1], half_log(3 / 2, 1 / 2), atol=TOL)
    assert_allclose(solution.V[1], half_log(2)[0], atol=TOL)
    assert_allclose(solution.Q[0], half_log(1, 1 / 2), atol=TOL)
    assert_allclose(solution.V[0], half_log(3 / 2)[0], atol=TOL)
    assert_allclose(solution.pi[0], [[2 / 3, 1 / 3]], atol=TOL)
    assert_allclose(solution.pi[1], [[3 / 4, 1 / 4]], atol=TOL)
    assert_allclose(trajectory_probs(solution.pi), [1 / 3, 1 / 2, 1 / 6], atol=TOL)  # EOS, aa, a EOS
    assert_allclose(implicit_reward(mdp, solution.pi)[0], half_log(4 / 3, 2 / 3), atol=TOL)
    assert_allclose(q_without_reference(mdp, solution.Q)[0], half_log(2, 1), atol=TOL)


@TREES
def test_the_two_conventions_of_Q_give_one_policy(seed):
    """Paper: pi* = e^{(Q-V)/beta}. Code: pi* = pi_ref e^{(q-V)/beta}. Mixing them gives no policy."""
    mdp, r = tree(seed)
    Q, V, pi = (solution := solve(mdp, r)).Q, solution.V, solution.pi
    q = q_without_reference(mdp, Q)
    for Q_t, q_t, V_t, pi_t, ref in zip(Q, q, V, pi, mdp.pi_ref, strict=True):
        assert_allclose(ref * np.exp((q_t - V_t[:, None]) / mdp.beta), pi_t, atol=TOL)
        assert_allclose(mdp.beta * np.log((ref * np.exp(q_t / mdp.beta)).sum(1)), V_t, atol=TOL)
        mixed = ref * np.exp((Q_t - V_t[:, None]) / mdp.beta)
        assert abs(mixed.sum(1) - 1).max() > MISS


# Rows 1 to 8: identities of the optimum.


@TREES
def test_row_1_implicit_reward_is_the_optimal_advantage(seed):
    """Eq. (10): beta log pi*/pi_ref = r + V(s') - V(s), with V(terminal) = 0."""
    mdp, r = tree(seed)
    solution = solve(mdp, r)
    implicit = implicit_reward(mdp, solution.pi)
    assert gap(implicit, shape(mdp, r, solution.V)) < TOL
    # without the reference: Q* - V* of the paper's convention is beta log pi*, not the advantage
    assert gap([Q - V[:, None] for Q, V in zip(solution.Q, solution.V, strict=True)], implicit) > MISS
    # V(terminal) = V of the state that ended, instead of 0
    stays = [np.repeat(V[:, None], mdp.n_actions, 1) for V in solution.V]
    after = [
        np.where(np.arange(mdp.n_actions) == mdp.n_actions - 1, stay, next_)
        for stay, next_ in zip(stays, next_values(mdp, solution.V), strict=True)
    ]
    assert gap(implicit, add(r, [a - s for a, s in zip(after, stays, strict=True)])) > MISS
    # the opposite sign of the shaping
    assert gap(implicit, shape(mdp, r, times(-1, solution.V))) > MISS


@TREES
def test_the_soft_advantage_averages_out_in_the_exponent(seed):
    """E_ref[exp(A*/beta)] = 1 at every state; the mean of A* is a KL under pi*, minus a KL under pi_ref."""
    mdp, r = tree(seed)
    pi = solve(mdp, r).pi
    for p, ref, A in zip(pi, mdp.pi_ref, implicit_reward(mdp, pi), strict=True):
        assert (ref * np.exp(A / mdp.beta)).sum(axis=1) == pytest.approx(1, abs=TOL)
        assert (p * A).sum(axis=1).min() >= -TOL
        assert (ref * A).sum(axis=1).max() <= TOL
    assert (pi[0] * implicit_reward(mdp, pi)[0]).sum() > MISS  # it is not 0


@TREES
def test_the_running_sum_of_a_reward_paid_at_the_end_is_the_change_of_value(seed):
    """sum_{k<t} beta log pi*/pi_ref = V*(s_t) - V*(s_0), which for rewards paid on the way is false."""
    mdp, r = tree(seed)
    late = terminal_only(mdp, r)
    for reward, holds in ((late, True), (r, False)):
        found = solve(mdp, reward)
        running = prefix_sums(implicit_reward(mdp, found.pi))
        gaps = [abs(x - (V - found.V[0][0])).max() for x, V in zip(running, found.V, strict=True)]
        assert (max(gaps) < TOL) == holds


@TREES
def test_row_2_return_is_start_value_plus_log_ratios(seed):
    """R(y) = V*(s_0) + sum_t beta log pi*/pi_ref, for every y, its EOS included."""
    mdp, r = tree(seed)
    solution = solve(mdp, r)
    R, V_0 = trajectory_sums(r), solution.V[0][0]
    implicit = implicit_reward(mdp, solution.pi)
    assert abs(return_residual(mdp, r, solution)).max() < TOL
    log_ratios = trajectory_sums(implicit)
    assert abs(R - V_0 + log_ratios).max() > MISS  # the printed minus sign before the sum
    assert abs(R + V_0 - log_ratios).max() > MISS  # the printed minus sign before V*(s_0)
    without_eos = [np.where(np.arange(mdp.n_actions) < mdp.n_actions - 1, x, 0) for x in implicit]
    assert abs(R - V_0 - trajectory_sums(without_eos)).max() > MISS
    assert abs(R - V_0 - log_ratios / trajectories(mdp).lengths).max() > MISS  # mean for sum


@pytest.mark.parametrize("options", [{}, {"forbidden": 0.3}], ids=str)
@TREES
def test_row_3_token_and_bandit_optimum_are_one(seed, options):
    """prod_t pi*(a|s) = pi_ref(y) e^{R/beta} / Z and V*(s_0) = beta log Z."""
    mdp, r = tree(seed, **options)
    solution = solve(mdp, r)
    oracle = naive_mdp.Tree(mdp.pi_ref, r, mdp.beta)
    Z, gibbs = oracle.gibbs()
    p = trajectory_probs(solution.pi)
    assert_allclose(p, list(gibbs.values()), atol=TOL, rtol=0)
    assert solution.V[0][0] == pytest.approx(mdp.beta * np.log(Z), abs=TOL)
    assert abs(solution.V[0][0] + Z) > MISS  # the printed -Z
    printed = trajectory_probs(mdp.pi_ref) * np.exp(trajectory_sums(r))  # the printed e^r
    assert abs(p - printed / printed.sum()).max() > MISS


@pytest.mark.parametrize("options", [{}, {"forbidden": 0.3}, {"chance": [1]}], ids=str)
@TREES
def test_row_4_reward_and_Q_determine_each_other(seed, options):
    """Lemma 1 on a tree: r -> Q* -> r and Q -> r -> Q*, for any Q whatever."""
    mdp, r = tree(seed, **options)
    masked = [np.where(mask, x, 0) for mask, x in zip(mdp.allowed, r, strict=True)]
    Q = solve(mdp, r).Q
    assert gap(reward_from_q(mdp, Q), masked) < TOL
    any_Q = [np.where(mask, 3 * x, -np.inf) for mask, x in zip(mdp.allowed, r, strict=True)]
    back = solve(mdp, reward_from_q(mdp, any_Q)).Q
    for x, y in zip(back, any_Q, strict=True):
        assert_allclose(x, y, atol=TOL)
    # Appendix A's inverse leaves beta log pi_ref out: that is another reward
    after = next_values(mdp, solve(mdp, r).V)
    printed = [np.where(m, x - v, 0) for m, x, v in zip(mdp.allowed, Q, after, strict=True)]
    assert gap(printed, masked) > MISS


def test_row_4_fails_on_a_cycle():
    """Two states that lead to each other for ever, gamma = 1: Q and Q + 1 have the same reward.

    And a loop whose reward is not negative has no soft value at all: V = beta log(e^{(r+V)/beta} + 1)
    asks for e^{V/beta} (1 - e^{r/beta}) = 1. A tree has neither trouble: no state comes back.
    """
    rng = np.random.default_rng(0)
    beta, successor = 0.7, np.array([1, 0])

    def reward(Q):
        V = beta * np.log(np.exp(Q / beta).sum(1))
        return Q - beta * np.log(0.5) - V[successor][:, None]

    Q = rng.standard_normal((2, 2))
    assert abs(reward(Q) - reward(Q + 1)).max() < TOL
    V = np.zeros(1000)
    for k in range(1, 1000):
        V[k] = beta * np.logaddexp(0.1 / beta + V[k - 1] / beta, 0)
    assert V[-1] - V[-2] > 0.09  # it grows by r for ever


@TREES
def test_row_5_log_ratios_give_the_bradley_terry_probabilities(seed):
    """Eq. (1) = eq. (8) for all pairs: V*(s_0) cancels because the start is shared."""
    mdp, r = tree(seed)
    solution = solve(mdp, r)
    oracle = naive_mdp.Tree(mdp.pi_ref, r, mdp.beta)
    R = [oracle.R(y) for y in oracle.trajectories()]
    rows = np.random.default_rng(seed).permutation(len(R))[:30]
    printed = np.array([[naive_mdp.preferred(R[w], R[l]) for l in rows] for w in rows])  # noqa: E741
    score = trajectory_sums(implicit_reward(mdp, solution.pi))
    assert abs(preference(score[:, None], score)[np.ix_(rows, rows)] - printed).max() < TOL
    mean = score / trajectories(mdp).lengths
    assert abs(preference(mean[:, None], mean)[np.ix_(rows, rows)] - printed).max() > MISS
    unscaled = score / mdp.beta
    assert abs(preference(unscaled[:, None], unscaled)[np.ix_(rows, rows)] - printed).max() > MISS


@TREES
def test_row_5_across_two_prompts_the_start_values_do_not_cancel(seed):
    """The score of eq. (8) is off by exactly V_a - V_b, in the return and in the logit of preference."""
    (a, r_a), (b, r_b) = (
        (mdp, random_reward(mdp, k))
        for k, mdp in enumerate(random_tree(3, 3, 0.5, 2 * seed + j) for j in (0, 1))
    )
    sol_a, sol_b = solve(a, r_a), solve(b, r_b)
    true = trajectory_sums(r_a)[:, None] - trajectory_sums(r_b)
    score = trajectory_sums(implicit_reward(a, sol_a.pi))[:, None] - trajectory_sums(
        implicit_reward(b, sol_b.pi)
    )
    V_gap = sol_a.V[0][0] - sol_b.V[0][0]
    assert abs(true - score - V_gap).max() < TOL
    assert abs(V_gap) > MISS
    # the same two prompts as the two branches of one chance level
    both, r = join_prompts([a, b], [r_a, r_b])
    solution = solve(both, r)
    assert_allclose(solution.V[1], [sol_a.V[0][0], sol_b.V[0][0]], atol=TOL)
    luck = environment_luck(both, solution)[existing(both)]
    assert_allclose(np.ptp(luck), abs(V_gap), atol=TOL)


@TREES
def test_row_6_shaping_keeps_policy_and_preferences_if_terminals_have_one_potential(seed):
    """Definition 1 needs Phi(terminal) = 0, or any one constant: a constant shifts every return alike."""
    mdp, r = tree(seed)
    rng = np.random.default_rng(seed)
    phi = [rng.standard_normal(len(level)) for level in mdp.pi_ref]
    pi, R = solve(mdp, r).pi, trajectory_sums(r)
    for terminal in (0.0, 3.0):
        shaped = shape(mdp, r, phi, terminal)
        S = trajectory_sums(shaped)
        assert gap(solve(mdp, shaped).pi, pi) < TOL
        assert abs(preference(S[:, None], S) - preference(R[:, None], R)).max() < TOL
        assert gap(shaped, r) > MISS
    broken = shape(mdp, r, phi, rng.standard_normal(mdp.n_trajectories))
    S = trajectory_sums(broken)
    assert gap(solve(mdp, broken).pi, pi) > MISS
    assert abs(preference(S[:, None], S) - preference(R[:, None], R)).max() > MISS


@TREES
def test_row_7_without_a_rule_for_terminals_every_two_rewards_are_equivalent(seed):
    """On a tree Phi(s) = sum of r' - r on the way to s turns r into any r'; with Phi(T) = 0 it does not."""
    mdp, r = tree(seed)
    other = random_reward(mdp, 5000 + seed)
    change = [b - a for a, b in zip(r, other, strict=True)]
    assert gap(shape(mdp, r, prefix_sums(change), trajectory_sums(change)), other) < TOL
    assert gap(shape(mdp, r, prefix_sums(change)), other) > MISS


@TREES
def test_row_8_the_return_is_all_that_counts(seed):
    """A reward paid along the way or all at the end: same policy, same implicit reward, other Q*.

    For the terminal-only one V*(s) = beta log E_{pi_ref}[e^{R/beta} | s].
    """
    mdp, r = tree(seed)
    late = terminal_only(mdp, r)
    R = trajectory_sums(r)
    assert abs(trajectory_sums(late) - R).max() < TOL
    dense, sparse = solve(mdp, r), solve(mdp, late)
    implicit = implicit_reward(mdp, dense.pi)
    assert gap(implicit, implicit_reward(mdp, sparse.pi)) < TOL
    assert gap(dense.Q, sparse.Q) > MISS
    assert gap(implicit, r) > MISS  # it is neither reward
    assert gap(implicit, late) > MISS
    exponential = terminal_only(mdp, terminal_like(mdp, np.exp(R / mdp.beta)))
    means = values_under(mdp, mdp.pi_ref, exponential)
    assert gap([mdp.beta * np.log(mean) for mean in means], sparse.V) < TOL
    # a reward that pays only after EOS forgets what ends at the horizon
    eos_only = [np.where(np.arange(mdp.n_actions) == mdp.n_actions - 1, x, 0) for x in late]
    assert gap(implicit, implicit_reward(mdp, solve(mdp, eos_only).pi)) > MISS


def terminal_like(mdp, values):
    """A reward whose returns are `values` (N,)."""
    zero = [np.zeros(level.shape) for level in mdp.pi_ref]
    return shape(mdp, zero, [np.zeros(len(level)) for level in mdp.pi_ref], values)


# Row 9: DPO finds the optimum if the pairs allow it.


@TREES
def test_row_9_population_dpo_recovers_the_optimal_policy(seed):
    mdp = random_tree(3, 2, 0.2 + 0.1 * seed, seed)
    r = random_reward(mdp, seed + 100)
    pi = solve(mdp, r).pi
    pairs = all_pairs(trajectory_sums(r))
    assert gap(fit_dpo(mdp, pairs).pi, pi) < 1e-6
    assert not np.concatenate(undetermined(mdp, pairs)).any()
    assert gap(fit_dpo(mdp, pairs, "mean").pi, pi) > MISS
    swapped = replace(pairs, label=1 - pairs.label)
    assert gap(fit_dpo(mdp, swapped).pi, pi) > MISS


def test_row_9_on_a_larger_tree():
    mdp = random_tree(4, 4, 0.5, 0)
    r = random_reward(mdp, 1)
    assert gap(fit_dpo(mdp, all_pairs(trajectory_sums(r))).pi, solve(mdp, r).pi) < 1e-6


def test_a_trajectory_in_no_pair_leaves_its_path_open():
    """Without 'a b EOS' its mass is free, hence pi at each state on its path, and only there."""
    mdp = random_tree(3, 3, 0.5, 0)
    r = random_reward(mdp, 4)
    pairs = all_pairs(trajectory_sums(r))
    y = trajectories(mdp).tokens.tolist().index([0, 1, 2])
    fewer = pairs.keep((pairs.first != y) & (pairs.second != y))
    on_path = [np.zeros(level.shape, dtype=bool) for level in mdp.pi_ref]
    for t, i in enumerate(trajectories(mdp).states[y]):
        on_path[t][i] = True
    for left_open, path in zip(undetermined(mdp, fewer), on_path, strict=True):
        assert (left_open == path).all()
    pi, found = solve(mdp, r).pi, fit_dpo(mdp, fewer).pi
    for p, q, path in zip(pi, found, on_path, strict=True):
        assert abs(p - q)[~path].max(initial=0) < 1e-6
        assert abs(p - q)[path].max() > MISS


def test_two_groups_never_compared_leave_their_balance_open():
    """Pairs among answers that start with the same token only: nothing says which start is better."""
    mdp = random_tree(3, 3, 0.5, 0)
    r = random_reward(mdp, 1)
    pairs, tokens = all_pairs(trajectory_sums(r)), trajectories(mdp).tokens
    within = pairs.keep(tokens[pairs.first, 0] == tokens[pairs.second, 0])
    start, *later = undetermined(mdp, within)
    assert start.all()
    assert not np.concatenate(later).any()
    assert gap(fit_dpo(mdp, within).pi[1:], solve(mdp, r).pi[1:]) < 1e-6


def test_truncated_pairs_say_nothing_of_what_was_cut():
    """After a cut to 2 tokens the third level is open, and the first two fit another policy than pi*:
    a cut answer is scored as if it had ended, R + V*(s_T) - V*(s_0) being another number than R - V*(s_0)."""
    mdp = random_tree(3, 3, 0.5, 0)
    r = random_reward(mdp, 1)
    pairs = all_pairs(trajectory_sums(r))
    *early, late = undetermined(mdp, pairs, cut=2)
    assert late.all()
    assert not np.concatenate(early).any()
    pi = solve(mdp, r).pi
    assert gap(fit_dpo(mdp, pairs, cut=2).pi[:2], pi[:2]) > MISS
    assert gap(fit_dpo(mdp, pairs, cut=3).pi, pi) < 1e-6


def test_pairs_within_prompts_recover_each_policy_and_pairs_across_do_not():
    """Labels compare returns, scores leave V*(s_0) out: across prompts the two cannot agree."""
    trees = [random_tree(3, 2, 0.5, k) for k in (0, 1)]
    rewards = [random_reward(mdp, k + 9) for k, mdp in enumerate(trees)]
    mdp, r = join_prompts(trees, rewards)
    pairs, tokens = all_pairs(trajectory_sums(r), existing(mdp)), trajectories(mdp).tokens
    within = pairs.keep(tokens[pairs.first, 0] == tokens[pairs.second, 0])
    found = fit_dpo(mdp, within).pi
    for k, (one, reward) in enumerate(zip(trees, rewards, strict=True)):
        own = [np.split(level, 2)[k] for level in found[1:]]
        assert gap(own, solve(one, reward).pi) < 1e-6
    across = fit_dpo(mdp, pairs).pi
    assert gap(across, solve(mdp, r).pi) > MISS
    assert gap(across[:1], mdp.pi_ref[:1]) == 0  # the draw of the prompt is not the policy's,
    assert not undetermined(mdp, within)[0].any()  # so no pair need say anything of it


def test_joined_prompts_keep_the_chance_nodes_of_their_trees():
    trees = [random_tree(3, 3, 0.5, 0, chance=[1]), random_tree(3, 3, 0.5, 1, nature=0.5)]
    rewards = [random_reward(mdp, k) for k, mdp in enumerate(trees)]
    mdp, r = join_prompts(trees, rewards)
    assert mdp.chance[0].all()
    for t in range(3):
        assert mdp.chance[t + 1].tolist() == [*trees[0].chance[t], *trees[1].chance[t]]
    assert_allclose(solve(mdp, r).V[1], [solve(*one).V[0][0] for one in zip(trees, rewards, strict=True)])


def test_sampled_pairs_come_near_as_the_root_of_their_number():
    mdp = random_tree(3, 3, 0.5, 0)
    r = random_reward(mdp, 1, scale=0.5)
    pairs, pi = all_pairs(trajectory_sums(r), trajectory_probs(mdp.pi_ref)), solve(mdp, r).pi
    errors = {
        n: np.mean([gap(fit_dpo(mdp, sample_pairs(pairs, n, k)).pi, pi) for k in range(4)])
        for n in (3_000, 300_000)
    }
    assert 3 < errors[3_000] / errors[300_000] < 30  # ten times for a hundred times the pairs
    sample = sample_pairs(pairs, 3_000, 0)
    assert sample.weight.sum() == pytest.approx(1)
    assert_allclose(sample.weight * 3_000, np.round(sample.weight * 3_000), atol=1e-9)


def test_the_loss_cannot_tell_sum_from_mean_but_the_truth_can():
    """15 answers over {a, b, EOS} of at most 3 tokens before a forced EOS; returns and logits normal.

    Sum and mean reach one loss, the entropy of the labels, as each can give the returns any margins;
    only the sum's policy is pi*. Without the EOS term even the loss is missed. The losses are averages
    over all 225 ordered pairs, those of an answer with itself, ln 2 each, included.
    """
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(7, 3))
    ref = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    forced = np.tile([0.0, 0.0, 1.0], (8, 1))
    pi_ref = [ref[:1], ref[1:3], ref[3:], forced]
    mdp = TokenMDP(pi_ref, 0.5, allowed=[level > 0 for level in pi_ref])
    returns = np.zeros(mdp.n_trajectories)
    exists = existing(mdp)
    returns[exists] = rng.normal(size=15)
    r = terminal_like(mdp, returns)
    solution, pairs = solve(mdp, r), all_pairs(returns, exists)
    truth = implicit_reward(mdp, solution.pi)
    assert expectation(mdp, mdp.pi_ref, truth) == pytest.approx(-0.4470463455, abs=1e-9)

    def report(reduction):
        fit = fit_dpo(mdp, pairs, reduction)
        found = implicit_reward(mdp, fit.pi)
        kl = expectation(mdp, solution.pi, log_ratio(solution.pi, fit.pi))
        telescoping = abs(trajectory_sums(found) - returns + solution.V[0][0])[exists].max()
        return (fit.loss * 210 + 15 * np.log(2)) / 225, kl, gap(found, truth), telescoping

    assert report("sum") == pytest.approx((0.60823326, 0, 0, 0), abs=1e-7)
    loss, *errors = report("mean")
    assert loss == pytest.approx(0.60823326, abs=1e-8)
    assert errors == pytest.approx([0.173, 4.13, 6.06], abs=0.005)
    loss, kl, error, _ = report("sum without EOS")
    assert loss == pytest.approx(0.63465643, abs=1e-8)
    assert kl > 0.1
    assert error > 5  # the optimum has pi(EOS) = 0 at some states: the number grows as the fit goes on


# Rows 12, 13, 15, 16: where the implicit reward goes, and what value means.


@TREES
def test_row_12_implicit_reward_is_minus_kl_on_average_over_the_reference(seed):
    """Eq. (16), per state and per sequence, for any pi; then for any law mu of the data."""
    mdp, r = tree(seed)
    pi = solve(mdp, r).pi
    implicit = implicit_reward(mdp, pi)
    per_state = [(ref * x).sum(1) for ref, x in zip(mdp.pi_ref, implicit, strict=True)]
    assert gap(per_state, times(-mdp.beta, state_kl(mdp.pi_ref, pi))) < TOL
    assert gap(per_state, times(-mdp.beta, state_kl(pi, mdp.pi_ref))) > MISS  # the other direction
    mean = expectation(mdp, mdp.pi_ref, implicit)
    assert mean == pytest.approx(-mdp.beta * forward_kl(mdp, pi), abs=TOL)
    assert abs(expectation(mdp, pi, implicit) - mean) > MISS  # the average over pi is +beta KL(pi || pi_ref)

    mu = np.random.default_rng(seed).dirichlet(np.ones(mdp.n_trajectories))
    kl_to_ref = (mu * (np.log(mu) - trajectory_log_probs(mdp.pi_ref))).sum()
    kl_to_pi = (mu * (np.log(mu) - trajectory_log_probs(pi))).sum()
    under_mu = mu @ trajectory_sums(implicit)
    assert under_mu == pytest.approx(mdp.beta * (kl_to_ref - kl_to_pi), abs=TOL)
    assert abs(under_mu + mdp.beta * kl_to_pi) > MISS  # (16) with data that are not the reference's


@TREES
def test_row_12_chosen_and_rejected_average_to_minus_kl_for_pairs_from_the_reference(seed):
    mdp, r = tree(seed)
    pi = solve(mdp, r).pi
    score = trajectory_sums(implicit_reward(mdp, pi))
    mu_w, mu_l = chosen_and_rejected(trajectory_probs(mdp.pi_ref), trajectory_sums(r))
    expected = -mdp.beta * forward_kl(mdp, pi)
    assert (mu_w @ score + mu_l @ score) / 2 == pytest.approx(expected, abs=TOL)
    uniform = np.full(len(score), 1 / len(score))
    mu_w, mu_l = chosen_and_rejected(uniform, trajectory_sums(r))
    assert abs((mu_w @ score + mu_l @ score) / 2 - expected) > MISS


def chosen_and_rejected(p, R):
    """The laws (N,) of the preferred and the other of two independent draws from `p`."""
    wins = preference(R[:, None], R)
    return 2 * p * (wins @ p), 2 * p * (wins.T @ p)


@TREES
def test_row_13_chosen_reward_changes_sign_at_beta_one_for_small_rewards(seed):
    """Chosen reward = 1/2 Var(R) (1 - 1/beta) + O(R^3) if pairs come from pi_ref: no law says 'it falls'."""
    for beta, sign in ((0.5, -1), (0.9, -1), (1.1, 1), (2.0, 1)):
        mdp = random_tree(3, 3, beta, seed)
        r = random_reward(mdp, seed, scale=1e-3)
        p, R = trajectory_probs(mdp.pi_ref), trajectory_sums(r)
        mu_w, _ = chosen_and_rejected(p, R)
        chosen = mu_w @ trajectory_sums(implicit_reward(mdp, solve(mdp, r).pi))
        variance = p @ R**2 - (p @ R) ** 2
        assert chosen == pytest.approx(variance * (1 - 1 / beta) / 2, rel=0.05)
        assert np.sign(chosen) == sign


@TREES
def test_row_13_after_sft_on_the_chosen_their_reward_is_minus_kl(seed):
    """With pi_ref fitted to the chosen answers the identity is exact and the sign is forced, at any beta."""
    mdp, r = tree(seed)
    mu_w, mu_l = chosen_and_rejected(trajectory_probs(mdp.pi_ref), trajectory_sums(r))
    sft = TokenMDP(policy_of(mdp, mu_w), mdp.beta)
    assert abs(trajectory_probs(sft.pi_ref) - mu_w).max() < TOL
    pi = solve(sft, r).pi
    score = trajectory_sums(implicit_reward(sft, pi))
    assert mu_w @ score == pytest.approx(-mdp.beta * forward_kl(sft, pi), abs=TOL)
    assert mu_w @ score < 0
    assert abs(mu_l @ score + mdp.beta * forward_kl(sft, pi)) > MISS  # not so for the rejected


@pytest.mark.parametrize("options", [{}, {"chance": [1]}], ids=str)
@TREES
def test_row_15_the_optimum_is_worth_V_and_guidance_by_mean_return_less(seed, options):
    """J(pi*) = V*(s_0) >= J of any other policy, of that guided by E_{pi_ref}[R | s] among them."""
    mdp, r = tree(seed, shortest=3, **options)
    solution = solve(mdp, r)
    V_0 = solution.V[0][0]
    assert objective(mdp, r, solution.pi) == pytest.approx(V_0, abs=TOL)
    guided = guide_by_mean_return(mdp, r)
    gap_of_guidance = V_0 - objective(mdp, r, guided)
    assert gap_of_guidance > 10 * TOL
    # the gap of any policy is beta KL(pi || pi*) over trajectories
    kl_to_best = expectation(mdp, guided, log_ratio(guided, solution.pi))
    if not any(level.any() for level in mdp.chance):
        assert gap_of_guidance == pytest.approx(mdp.beta * kl_to_best, abs=TOL)
    assert objective(mdp, r, mdp.pi_ref) < V_0
    # the other KL, or the other sign, is not the objective
    reward = expectation(mdp, solution.pi, r)
    assert abs(reward - mdp.beta * forward_kl(mdp, solution.pi) - V_0) > MISS / 10
    assert abs(reward + mdp.beta * reverse_kl(mdp, solution.pi) - V_0) > MISS


@TREES
def test_row_16_a_moving_environment_adds_its_luck_to_the_return(seed):
    """With chance levels R - V*(s_0) - sum beta log pi*/pi_ref = sum (V(s') - E V(s')): not 0, and no
    Bradley-Terry model of the log-ratios is right. A log-sum-exp over the environment's moves is wrong."""
    mdp, r = tree(seed, shortest=3, chance=[1])
    r[1][:] = 0
    solution = solve(mdp, r)
    naive = return_residual(mdp, r, solution)
    assert abs(naive).max() > MISS
    assert abs(naive - environment_luck(mdp, solution)).max() < TOL
    by_hand = np.where(
        trajectories(mdp).lengths > 1,
        trajectory_sums(
            [
                (after - (ref * after).sum(1, keepdims=True)) * (t == 1)
                for t, (after, ref) in enumerate(zip(next_values(mdp, solution.V), mdp.pi_ref, strict=True))
            ]
        ),
        0,
    )
    assert abs(naive - by_hand).max() < TOL
    R, score = trajectory_sums(r), trajectory_sums(implicit_reward(mdp, solution.pi))
    assert abs(preference(R[:, None], R) - preference(score[:, None], score)).max() > MISS
    as_policy = solve(replace(mdp, chance=[]), r)
    assert as_policy.V[0][0] > solution.V[0][0]  # it would let the policy choose its luck


# What is refused, and the command that measures.


def changed(levels, t, i, a, value):
    levels = [np.array(level, dtype=float) for level in levels]
    levels[t][i, a] = value
    return levels


GOOD = [np.full((1, 3), 1 / 3), np.full((2, 3), 1 / 3)]
EVERY = [np.ones((1, 3), dtype=bool), np.ones((2, 3), dtype=bool)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((GOOD, 0.0), "beta is 0.0"),
        ((GOOD, -1.0), "beta is -1.0"),
        ((GOOD, np.nan), "beta is nan"),
        (([], 1.0), "horizon is 0"),
        (([np.ones((1, 0))], 1.0), "level 0: shape .1, 0.; a vocabulary needs"),
        (([np.ones((1, 1))], 1.0), "a vocabulary needs EOS and a token"),
        ((GOOD[:1] * 2, 1.0), "pi_ref level 1: shape .1, 3., expected .2, 3."),
        ((changed(GOOD, 1, 1, 0, 0.5), 1.0), "pi_ref level 1 state 1: sums to 1.166"),
        ((changed(GOOD, 1, 0, 2, np.nan), 1.0), "pi_ref level 1 state 0 action 2: nan is not a probability"),
        ((changed(GOOD, 0, 0, 1, -0.1), 1.0), "level 0 state 0 action 1: -0.1 is not a probability"),
        ((changed(GOOD, 1, 1, 1, 0.0), 1.0), "level 1 state 1 action 1: 0.0 is zero where an action is all"),
        ((GOOD, 1.0, changed(EVERY, 1, 0, 0, 0)), "level 1 state 0 action 0: .* where an action is disall"),
        ((GOOD, 1.0, EVERY[:1]), "allowed has 1 levels; the horizon is 2"),
        ((GOOD, 1.0, [], [np.zeros(1), np.zeros(3)]), r"chance has shapes .*; expected .*\(1,\), \(2,\)"),
    ],
)
def test_what_is_no_tree_is_refused_with_its_level_and_state(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        TokenMDP(*arguments)
    assert "\n" not in str(error.value)


def test_other_misuse_is_refused():
    mdp = random_tree(3, 2, 1.0, 0)
    r = random_reward(mdp, 0)
    pairs = all_pairs(trajectory_sums(r))
    with pytest.raises(ValueError, match="horizon is 0"):
        uniform_tree(3, 0, 1.0)
    with pytest.raises(ValueError, match="vocabulary needs"):
        uniform_tree(0, 2, 1.0)
    with pytest.raises(ValueError, match="vocabulary needs"):
        random_tree(0, 2, 1.0, 0)
    with pytest.raises(ValueError, match="r level 1: shape .1, 3., expected .2, 3."):
        solve(mdp, [r[0], r[0]])
    with pytest.raises(ValueError, match="r level 1 state 1 action 0: nan is not a finite number"):
        solve(mdp, changed(r, 1, 1, 0, np.nan))
    with pytest.raises(ValueError, match="Q level 0 state 0 action 2: inf"):
        reward_from_q(mdp, changed(r, 0, 0, 2, np.inf))
    with pytest.raises(ValueError, match="pi has 1 levels; the horizon is 2"):
        implicit_reward(mdp, mdp.pi_ref[:1])
    with pytest.raises(ValueError, match="p must be 7 probabilities"):
        policy_of(mdp, np.full(7, 0.2))
    with pytest.raises(ValueError, match="reduction 'max'"):
        fit_dpo(mdp, pairs, "max")
    with pytest.raises(ValueError, match="cut is 0"):
        token_weights(mdp, cut=0)
    with pytest.raises(ValueError, match="3 prompts; a vocabulary of 3 has room for 2"):
        join_prompts([mdp] * 3, [r] * 3)
    with pytest.raises(ValueError, match="must share vocabulary"):
        join_prompts([mdp, random_tree(3, 3, 1.0, 0)], [r, r])
    holed = random_tree(3, 2, 1.0, 0, forbidden=0.6)
    gone = int(np.flatnonzero(~existing(holed))[0])
    pair = Pairs(np.array([gone]), np.array([0]), np.array([0.5]), np.array([1.0]))
    with pytest.raises(ValueError, match="pair 0 holds a trajectory with a disallowed action"):
        fit_dpo(holed, pair)


def test_disallowed_actions_stay_out_of_a_fit():
    mdp = random_tree(3, 3, 0.5, 2, forbidden=0.3)
    r, exists = random_reward(mdp, 3), existing(mdp)
    assert not exists.all()
    pi = solve(mdp, r).pi
    found = fit_dpo(mdp, all_pairs(trajectory_sums(r), exists)).pi
    assert abs(trajectory_probs(found) - trajectory_probs(pi)).max() < 1e-6
    assert trajectory_probs(found)[~exists].max() == 0


def test_flat_and_levels_are_inverse():
    mdp, r = mushroom_tree(1.0)
    for level, same in zip(r, levels(mdp, flat(r)), strict=True):
        np.testing.assert_allclose(level, same, rtol=0, atol=0)


def test_names():
    assert state_names(mushroom_tree(1.0)[0], WORDS)[:4] == ["s_0", "not", "safe", "not not"]
    assert state_names(mushroom_tree(1.0)[0], WORDS)[4:] == ["not safe", "safe not", "safe safe"]
    replies = reply_names(mushroom_tree(1.0)[0], WORDS)
    assert replies[:4] == ["EOS", "not EOS", "safe EOS", "not not not"]
    assert len(replies) == 15
