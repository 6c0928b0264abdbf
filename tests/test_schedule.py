"""The pairs of each step, in which groups, and the learning rate: by hand."""

from dataclasses import asdict, replace
from types import SimpleNamespace

from dpoq_lab.objectives import DPO, SFT
from dpoq_lab.schedule import (
    Settings,
    _length,
    first_pass,
    learning_rate,
    micro_batches,
    step_indices,
    steps_for,
)

DPO_RUN = Settings(DPO(0.1), lr=1e-3, steps=3, batch_size=4, micro_batch=4, warmup_steps=2)


def test_order_is_seeded_passes_over_all_pairs():
    settings = replace(DPO_RUN, steps=5, batch_size=4)
    steps = list(step_indices(10, settings))
    assert len(steps) == 5
    assert len({i for step in steps[:2] for i in step}) == 8
    assert steps == list(step_indices(10, settings))
    assert steps_for(10, 4, epochs=3) == 6
    assert steps_for(3, 4, epochs=2) == 2
    assert next(step_indices(10, replace(settings, steps=0)), None) is None


def test_the_reference_scores_each_pair_that_is_seen_once():
    """Two steps, then a second pass that repeats 0 and 3 and brings 4: 5 is never seen."""
    assert first_pass([[0, 1], [2, 3], [3, 4], [0, 1]]) == [[0, 1], [2, 3], [4], []]


def test_the_learning_rate_warms_up_then_stays_or_falls_to_zero():
    """By hand: 4 warm-up steps of 12, so the fall is over the 8 that are left."""
    settings = Settings(SFT(), lr=1.0, steps=12, batch_size=1, micro_batch=1, warmup_steps=4)
    assert [learning_rate(step, settings) for step in (0, 1, 3, 4, 11)] == [0.25, 0.5, 1.0, 1.0, 1.0]
    falling = replace(settings, decay=True)
    assert [learning_rate(step, falling) for step in (0, 3, 4, 8, 11, 12)] == [
        0.25,
        1.0,
        1.0,
        0.5,
        0.125,
        0.0,
    ]


def test_what_a_run_does_if_nothing_is_said():
    settings = asdict(Settings(SFT(), lr=1.0, steps=2, batch_size=3, micro_batch=4))
    assert {name: settings[name] for name in list(settings)[5:]} == {
        **{"warmup_steps": 10, "decay": False, "clip": 1.0, "seed": 0, "bf16": False},
        "checkpoint_every": 50,
    }


def test_rates_at_the_borders():
    """Without warm-up the first step has the whole rate; a fall needs a step even where all are warm-up."""
    settings = Settings(SFT(), lr=2.0, steps=4, batch_size=1, micro_batch=1, warmup_steps=0)
    assert [learning_rate(step, settings) for step in (0, 1, 3)] == [2.0, 2.0, 2.0]
    falling = replace(settings, decay=True)
    assert [learning_rate(step, falling) for step in range(5)] == [2.0, 1.5, 1.0, 0.5, 0.0]
    all_warm = replace(falling, warmup_steps=4)
    assert [learning_rate(step, all_warm) for step in range(5)] == [0.5, 1.0, 1.5, 2.0, 0.0]


def test_a_pass_is_of_whole_steps():
    """Ten pairs by fives are two steps a pass, by fours two, by twenties one; each pass has its own order."""
    for size, steps, left in ((5, 2, 0), (4, 2, 2), (20, 1, 0), (10, 1, 0), (1, 10, 0)):
        settings = replace(DPO_RUN, steps=2 * steps, batch_size=size)
        found = list(step_indices(10, settings))
        assert len(found) == 2 * steps == steps_for(10, size, epochs=2)
        assert {len(step) for step in found} == {min(size, 10)}
        passes = [[i for step in found[k : k + steps] for i in step] for k in (0, steps)]
        assert [len(set(one)) for one in passes] == [10 - left] * 2
        assert passes[0] != passes[1]
    assert found != list(step_indices(10, replace(settings, seed=1)))


def of_lengths(prompt, chosen, rejected):
    sides = [SimpleNamespace(prompt_ids=[0] * prompt, ids=[0] * n) for n in (chosen, rejected)]
    return SimpleNamespace(chosen=sides[0], rejected=sides[1])


def test_a_process_takes_every_other_pair_the_shortest_first():
    """A prompt and its longer reply are 9, 3, 8, 7, 6, 5 long; of two processes the second has 3, 7 and 5."""
    both = ((4, 5, 1), (2, 1, 1), (1, 1, 7), (6, 1, 1), (3, 3, 2), (1, 4, 3))
    pairs = [of_lengths(*each) for each in both]
    assert [_length(pair) for pair in pairs] == [9, 3, 8, 7, 6, 5]
    for index, size, expected in ((1, 2, [[1, 5], [3]]), (1, 3, [[1, 5, 3]]), (0, 2, [[4, 2], [0]])):
        accelerator = SimpleNamespace(process_index=index, num_processes=2)
        settings = replace(DPO_RUN, micro_batch=size)
        assert micro_batches([0, 1, 2, 3, 4, 5], pairs, settings, accelerator) == expected
