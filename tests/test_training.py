"""The loop: exact at step 0, the same however it is cut, and nothing lost when it stops."""

import json
import math
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator

from dpoq_lab import training
from dpoq_lab.losses import token_log_probs
from dpoq_lab.models import tiny as build_tiny
from dpoq_lab.objectives import CPL, DPO, SFT
from dpoq_lab.schedule import Settings, _length, step_indices
from dpoq_lab.training import TrainingError, train

DPO_RUN = Settings(DPO(0.1), lr=1e-3, steps=3, batch_size=4, micro_batch=4, warmup_steps=2)
SFT_RUN = replace(DPO_RUN, objective=SFT())


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def without_speed(log):
    return [{key: value for key, value in record.items() if key != "tokens_per_second"} for record in log]


def assert_same_log(log, other, rel=1e-3):
    for record, expected in zip(without_speed(log), without_speed(other), strict=True):
        assert record == pytest.approx(expected, rel=rel, abs=1e-5)


def test_step_0_is_ln_2_and_every_reward_is_0(tiny, train_pairs):
    first = train(tiny, train_pairs, 1, DPO_RUN)[0]
    assert first["loss_mean"] == pytest.approx(math.log(2), abs=1e-6)
    rewards = ("chosen_reward_sum", "rejected_reward_sum", "margin_sum", "kl_ref_pi_token_mean")
    assert [first[name] for name in rewards] == pytest.approx([0, 0, 0, 0], abs=1e-5)


def test_step_0_is_exact_in_bfloat16_too(tiny, train_pairs):
    """The reference is rounded as the policy is, so rounding cancels."""
    settings = replace(DPO_RUN, bf16=True, steps=6, micro_batch=2, lr=1e-12)
    log = train(tiny, train_pairs, 1, settings)
    assert [record["kl_ref_pi_token_mean"] for record in log] == [0.0] * 6
    assert all(record["loss_mean"] == pytest.approx(math.log(2), abs=1e-6) for record in log)


def test_the_reference_is_scored_in_the_batches_that_training_sees(tiny, train_pairs, monkeypatch):
    """One pass: 6 steps of 4 pairs in micro-batches of 2 are 12 batches, scored first and then trained on.

    The very first is read once more, to see which way of scoring the model takes.
    """
    seen, collate = [], training._collate

    def spy(pairs, *rest):
        seen.append([pair.pair.where for pair in pairs])
        return collate(pairs, *rest)

    monkeypatch.setattr(training, "_collate", spy)
    train(tiny, train_pairs, 1, replace(DPO_RUN, steps=6, micro_batch=2))
    assert len(seen) == 25
    assert seen[0] == seen[1]
    assert seen[1:13] == seen[13:]


def test_dpo_lowers_the_loss_and_parts_the_rewards(tiny, train_pairs):
    log = train(tiny, train_pairs[:4], 1, replace(DPO_RUN, steps=8))
    assert log[-1]["loss_mean"] < 0.6
    assert log[-1]["margin_sum"] > 0.1
    assert log[-1]["accuracy_mean"] == 1.0
    margin = log[-1]["chosen_reward_sum"] - log[-1]["rejected_reward_sum"]
    assert log[-1]["margin_sum"] == pytest.approx(margin)


def test_cpl_starts_at_its_own_log_probabilities_and_parts_them(tiny, train_pairs):
    """No reference: the first reward is beta log pi, -beta log 2048 a token for an untrained model, not 0."""
    settings = replace(DPO_RUN, objective=CPL(0.1), steps=8)
    log = train(tiny, train_pairs[:4], 1, settings)
    first, last = log[0], log[-1]
    assert "kl_ref_pi_token_mean" not in first
    assert first["chosen_reward_sum"] == pytest.approx(0.1 * first["chosen_logp_sum"], rel=1e-6)
    length = sum(len(pair.chosen.ids) for pair in train_pairs[:4]) / 4
    assert first["chosen_logp_sum"] == pytest.approx(-length * math.log(2048), rel=0.05)
    assert last["loss_mean"] < first["loss_mean"] - 0.1
    assert last["chosen_logp_sum"] > first["chosen_logp_sum"]


def test_a_quiet_run_draws_no_bar(tiny, train_pairs, capsys):
    for progress in (True, False):
        train(tiny, train_pairs[:4], 1, replace(DPO_RUN, steps=1), progress=progress)
        bars = capsys.readouterr().err
        assert ("dpo" in bars) == ("scoring" in bars) == progress


def test_sft_lowers_the_loss_a_token(tiny, train_pairs):
    log = train(tiny, train_pairs[:4], 1, replace(SFT_RUN, steps=8))
    assert log[0]["loss_mean"] == pytest.approx(math.log(2048), abs=0.3)  # an untrained model is near uniform
    assert log[-1]["loss_mean"] < log[0]["loss_mean"] - 1


@pytest.mark.parametrize("settings", [DPO_RUN, SFT_RUN], ids=["dpo", "sft"])
def test_micro_batches_do_not_change_the_run(train_pairs, settings):
    one, other = build_tiny(), build_tiny()
    log = train(one, train_pairs, 1, settings)
    assert_same_log(train(other, train_pairs, 1, replace(settings, micro_batch=1)), log)
    assert torch.allclose(weights(one), weights(other), atol=1e-4)


def test_the_reference_is_not_changed_and_gives_the_margin(tiny, train_pairs):
    reference = build_tiny(seed=1).requires_grad_(False)
    before = weights(reference).clone()
    log = train(tiny, train_pairs, 1, DPO_RUN, reference=reference)
    assert torch.equal(weights(reference), before)
    assert log[0]["loss_mean"] != pytest.approx(math.log(2), abs=1e-3)


def test_dropout_stays_off(train_pairs):
    """A policy that was left in train mode with dropout still starts at ln 2."""
    policy = build_tiny()
    policy.config.attention_dropout = 0.5
    for layer in policy.model.layers:
        layer.self_attn.attention_dropout = 0.5
    policy.train()
    assert train(policy, train_pairs, 1, DPO_RUN)[0]["loss_mean"] == pytest.approx(math.log(2), abs=1e-6)


def test_the_same_seed_gives_the_same_run_and_another_does_not(train_pairs):
    logs = [train(build_tiny(), train_pairs, 1, replace(DPO_RUN, seed=seed)) for seed in (0, 0, 1)]
    assert without_speed(logs[0]) == without_speed(logs[1])
    assert without_speed(logs[0]) != without_speed(logs[2])


def test_every_token_of_a_reply_is_scored_and_no_padding(tiny, train_pairs):
    """The replies of a batch differ in length; each gets as many log-probabilities as it has tokens."""
    found = training.pair_log_probs(Accelerator(), tiny, train_pairs[:3], 1, DPO_RUN)
    lengths = [[len(side) for side in found[i]] for i in range(3)]
    assert lengths == [[len(pair.chosen.ids), len(pair.rejected.ids)] for pair in train_pairs[:3]]
    assert len({length for both in lengths for length in both}) >= 3


def log_pi(model, response):
    """log pi of each token of a response, by a forward pass of the response alone."""
    ids = torch.tensor([[*response.prompt_ids, *response.ids]])
    logp = model(ids).logits[0, :-1].log_softmax(-1)
    return logp[torch.arange(ids.shape[1] - 1), ids[0, 1:]][-len(response.ids) :]


def by_hand(policy, reference, pairs, beta):
    """The metrics of a DPO step, and its loss with gradient, from the log-probabilities (eq. 1 and 8)."""
    ratios = [
        [log_pi(policy, side) - log_pi(reference, side).detach() for side in (pair.chosen, pair.rejected)]
        for pair in pairs
    ]
    chosen, rejected = (torch.stack([beta * pair[side].sum() for pair in ratios]) for side in (0, 1))
    loss = torch.log1p(torch.exp(rejected - chosen)).mean()
    tokens = torch.cat([token for pair in ratios for token in pair])
    summed = [[log_pi(policy, side).sum() for side in (pair.chosen, pair.rejected)] for pair in pairs]
    return loss, {
        "loss_mean": loss.item(),
        "chosen_reward_sum": chosen.mean().item(),
        "rejected_reward_sum": rejected.mean().item(),
        "margin_sum": (chosen - rejected).mean().item(),
        "accuracy_mean": (chosen > rejected).double().mean().item(),
        "chosen_logp_sum": sum(pair[0].item() for pair in summed) / len(pairs),
        "rejected_logp_sum": sum(pair[1].item() for pair in summed) / len(pairs),
        "kl_ref_pi_token_mean": (tokens.exp() - 1 - tokens).mean().item(),
    }


def test_every_metric_of_a_step_by_hand(train_pairs):
    """Three pairs of replies of different lengths, a policy that is not the reference, two micro-batches."""
    policy, reference, pairs, beta = build_tiny(), build_tiny(seed=1), train_pairs[:3], 0.7
    loss, expected = by_hand(policy, reference, pairs, beta)
    gradients = torch.autograd.grad(loss, list(policy.parameters()))
    expected["grad_norm"] = torch.cat([gradient.flatten() for gradient in gradients]).norm().item()
    assert len({round(abs(value), 3) for value in expected.values()}) == len(expected)  # no two alike
    settings = Settings(DPO(beta), lr=1e-3, steps=1, batch_size=3, micro_batch=2, clip=1e9)
    record = train(policy, pairs, 1, settings, reference=reference)[0]
    assert record.pop("tokens_per_second") > 0
    assert record.pop("step") == 0
    assert record == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("clip", [1e-3, 1e9])
def test_a_step_of_plain_descent_is_as_long_as_clipping_allows(train_pairs, monkeypatch, clip):
    """SGD moves the weights by lr times the gradient, whose norm is clipped; Adam would hide its length."""
    policy = build_tiny()
    before = weights(policy).clone()
    plain = lambda parameters, lr, **options: torch.optim.SGD(parameters, lr)  # noqa: E731
    monkeypatch.setattr(training.torch.optim, "AdamW", plain)
    settings = replace(DPO_RUN, steps=1, warmup_steps=1, lr=0.5, clip=clip)
    record = train(policy, train_pairs, 1, settings)[0]
    assert record["grad_norm"] > 1
    moved = (weights(policy) - before).norm().item()
    assert moved == pytest.approx(0.5 * min(record["grad_norm"], clip), rel=1e-3)


def test_gradients_are_clipped_and_the_rate_warms_up(train_pairs):
    """With a rate of 1/2 of lr at step 0 (2 warm-up steps) an Adam step moves a weight by at most lr / 2."""
    policy = build_tiny()
    before = weights(policy).clone()
    record = train(policy, train_pairs, 1, replace(DPO_RUN, steps=1, warmup_steps=2, clip=1e-3))[0]
    assert record["grad_norm"] > 1e-3  # as measured before clipping
    assert (weights(policy) - before).abs().max() <= DPO_RUN.lr / 2 * 1.001


class Stop(Exception):
    """Stands for a run that is killed."""


def stop_at(step):
    def callback(record):
        if record["step"] == step:
            raise Stop

    return callback


def test_a_killed_run_resumes_to_the_same_end(tmp_path, train_pairs):
    settings = replace(DPO_RUN, steps=6, checkpoint_every=2)
    whole = build_tiny()
    log = train(whole, train_pairs, 1, settings, out=tmp_path / "whole")
    with pytest.raises(Stop):
        train(build_tiny(), train_pairs, 1, settings, out=tmp_path / "cut", on_log=stop_at(4))
    resumed = build_tiny()
    again = train(resumed, train_pairs, 1, settings, out=tmp_path / "cut", resume=True)
    assert_same_log(again, log, rel=1e-5)
    assert torch.equal(weights(resumed), weights(whole))
    lines = (tmp_path / "cut" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(6))
    assert [path.name for path in (tmp_path / "cut").glob("*checkpoint*")] == ["checkpoint-6"]


def test_a_checkpoint_is_whole_or_not_there(tmp_path, train_pairs, monkeypatch):
    """Killed while the second checkpoint is written: the first is still the one that counts."""
    from dpoq_lab import checkpoints

    settings = replace(DPO_RUN, steps=6, checkpoint_every=2)
    save_file, calls = checkpoints.save_file, []

    def broken(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise Stop
        save_file(*arguments)

    monkeypatch.setattr(checkpoints, "save_file", broken)
    with pytest.raises(Stop):
        train(build_tiny(), train_pairs, 1, settings, out=tmp_path)
    assert [path.name for path in checkpoints.checkpoints(tmp_path)] == ["checkpoint-2"]
    monkeypatch.undo()
    assert len(train(build_tiny(), train_pairs, 1, settings, out=tmp_path, resume=True)) == 6


def test_a_loss_that_is_not_finite_stops_with_step_and_pair(tiny, train_pairs):
    policy = deepcopy(tiny)
    with torch.no_grad():
        policy.model.norm.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"step 0: the loss of pair .*train.jsonl:\d+ is not finite"):
        train(policy, train_pairs, 1, DPO_RUN)


def test_a_pair_is_named_by_its_place_or_by_how_it_begins():
    for where, named in (("f:3", "f:3"), ("", repr("t" * 40))):
        chosen = SimpleNamespace(text="t" * 50)
        assert training._name(SimpleNamespace(chosen=chosen, pair=SimpleNamespace(where=where))) == named


def test_fewer_pairs_a_step_than_processes_are_refused(tiny, train_pairs, monkeypatch):
    accelerator = SimpleNamespace(device=torch.device("cpu"), num_processes=3)
    monkeypatch.setattr(training, "Accelerator", lambda: accelerator)
    with pytest.raises(TrainingError, match=r"^2 pairs a step are too few for 3 processes$"):
        train(tiny, train_pairs[:2], 1, SFT_RUN)
    accelerator.num_processes = 2
    with pytest.raises(AttributeError):  # it goes on
        train(tiny, train_pairs[:2], 1, SFT_RUN)


def test_a_gradient_that_is_not_finite_stops_with_the_pairs_of_its_step(tiny, train_pairs, monkeypatch):
    monkeypatch.setattr(Accelerator, "clip_grad_norm_", lambda *_: torch.tensor(math.inf))
    before = weights(tiny).clone()
    with pytest.raises(TrainingError) as caught:
        train(tiny, train_pairs[:2], 1, SFT_RUN)
    order = next(step_indices(2, SFT_RUN))
    names = ", ".join(train_pairs[i].pair.where for i in order)
    assert str(caught.value) == f"step 0: the gradient is not finite; its pairs are {names}"
    assert torch.equal(weights(tiny), before)


def test_one_of_two_processes_scales_its_losses_and_adds_up_what_both_have(tiny, train_pairs):
    """Gradients of processes are averaged, so each has twice its part. It synchronises once a step, and the
    other one is taken to have the same sums."""
    pairs, settings = train_pairs[:4], replace(SFT_RUN, micro_batch=1)
    backward, silent = [], []
    accelerator = SimpleNamespace(
        process_index=1,
        num_processes=2,
        device=torch.device("cpu"),
        no_sync=lambda model: (silent.append(model), nullcontext())[1],
        backward=lambda loss: backward.append(loss.item()),
        clip_grad_norm_=lambda parameters, clip: torch.tensor(clip),
        reduce=lambda total, how: 2 * total if how == "sum" else None,
    )
    optimizer = torch.optim.SGD(tiny.parameters(), 7.0)
    data = training._Data(pairs, None, 1, token_log_probs)
    record = training._step(accelerator, tiny, optimizer, data, [0, 1, 2, 3], settings, 0)
    losses = {i: -log_pi(tiny, pairs[i].chosen).sum().item() for i in (1, 3)}
    mine = sorted(losses, key=lambda i: _length(pairs[i]))
    tokens = sum(len(pair.chosen.ids) for pair in pairs)
    assert backward == pytest.approx([2 * losses[i] / tokens for i in mine], rel=1e-4)
    assert silent == [tiny]  # all but the last
    assert record["loss_mean"] == pytest.approx(2 * sum(losses.values()) / tokens, rel=1e-4)
    assert (record["step"], record["grad_norm"], optimizer.param_groups[0]["lr"]) == (0, 1.0, SFT_RUN.lr / 2)
    assert set(record) == {"step", "loss_mean", "grad_norm", "tokens_per_second"}


def test_metrics_are_written_each_step_and_checkpoints_now_and_then(tmp_path, monkeypatch):
    kept, told = [], []
    monkeypatch.setattr(training, "save_checkpoint", lambda *given: kept.append((len(given[1]), given[2:])))
    run = tmp_path / "new" / "run"
    training._write_log(run, [{"step": -1}])
    settings, log = replace(SFT_RUN, steps=5, checkpoint_every=2), []
    for step in range(5):
        log.append({"step": step})
        training._after_step(log, run, settings, "policy", "optimizer", told.append)
    assert kept == [(n, ("policy", "optimizer")) for n in (2, 4, 5)]
    assert told == log
    lines = (run / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"step": -1}, *log]
    training._after_step(log, None, settings, "policy", "optimizer", None)
    training._write_log(run, [])
    assert (run / "metrics.jsonl").read_text() == ""


def test_the_bar_counts_the_steps_and_shows_the_loss(tiny, train_pairs, monkeypatch):
    bars, optimizers = [], []

    class Bar:
        def __init__(self, batches=(), **options):
            self.batches, self.options, self.shown = batches, options, []
            bars.append(self)

        __enter__ = lambda self: self  # noqa: E731
        __exit__ = lambda self, *_: None  # noqa: E731
        __iter__ = lambda self: iter(self.batches)  # noqa: E731

        def set_postfix(self, **shown):
            self.shown.append(shown)

        def update(self):
            self.shown.append("+1")

    adam = torch.optim.AdamW

    def optimizer(parameters, **options):
        optimizers.append(options)
        return adam(parameters, **options)

    monkeypatch.setattr(training, "tqdm", Bar)
    monkeypatch.setattr(training.torch.optim, "AdamW", optimizer)
    settings = replace(DPO_RUN, steps=2, micro_batch=2)
    log = train(tiny, train_pairs[:2], 1, settings)
    assert optimizers == [{"lr": 1e-3, "weight_decay": 0.0, "fused": True}]
    scoring, steps = bars
    assert scoring.options == {"desc": "scoring", "disable": False, "leave": False}
    assert steps.options == {"total": 2, "initial": 0, "desc": "dpo", "disable": False}
    shown = [{"loss": f"{record['loss_mean']:.4f}", "refresh": False} for record in log]
    assert steps.shown == [shown[0], "+1", shown[1], "+1"]


def test_a_copy_is_trained_and_the_policy_stays(tiny, train_pairs):
    frozen, before = tiny.requires_grad_(False), weights(tiny).clone()
    told = []
    copy, log = training.trained_copy(
        frozen, train_pairs[:4], 1, replace(DPO_RUN, steps=1), on_log=told.append
    )
    assert torch.equal(weights(frozen), before)
    assert not torch.equal(weights(copy), before)
    assert (told, len(log)) == (log, 1)
    assert log[0]["loss_mean"] == pytest.approx(math.log(2), abs=1e-6)


def test_what_is_trained_is_what_accelerate_prepares(tiny, train_pairs, monkeypatch):
    """Of several processes a wrapper that adds up their gradients, and an optimiser that waits for them."""
    asked, seen = [], []

    def prepare(self, *given):
        asked.append(given)
        return "wrapped", "waiting"

    def step(accelerator, policy, optimizer, data, *rest):
        seen.append((policy, optimizer, data.pi_ref))
        raise Stop

    monkeypatch.setattr(Accelerator, "prepare", prepare)
    monkeypatch.setattr(training, "_step", step)
    with pytest.raises(Stop):
        train(tiny, train_pairs[:2], 1, SFT_RUN)
    [(policy, optimizer)] = asked
    assert policy is tiny
    assert isinstance(optimizer, torch.optim.AdamW)
    assert seen == [("wrapped", "waiting", None)]


def test_tokens_a_second_are_those_of_the_step(tiny, train_pairs, monkeypatch):
    """A step from second 10 to second 12.5."""
    monkeypatch.setattr(training.time, "perf_counter", iter([10.0, 12.5]).__next__)
    pairs = train_pairs[:2]
    [record] = train(tiny, pairs, 1, replace(DPO_RUN, steps=1))
    tokens = sum(len(pair.chosen.ids) + len(pair.rejected.ids) for pair in pairs)
    assert record["tokens_per_second"] == pytest.approx(tokens / 2.5)
