"""Logged curves under the names that trainers use: TRL's state, this kit's metrics, a csv."""

import json
import math

import pytest

from dpoq_lab.runs.logs import LogError, read_log, records

HISTORY = [
    {
        "step": 1,
        "loss": 0.7,
        "rewards/chosen": 0.1,
        "rewards/rejected": -0.2,
        "logps/chosen": -30.0,
        "epoch": 0.1,
    },
    {"step": 11, "loss": 0.5, "rewards/chosen": 0.3, "rewards/rejected": -0.6, "logps/chosen": -29.0},
    {"step": 11, "eval_loss": 0.6, "eval_rewards/chosen": 0.2, "eval_rewards/accuracies": 0.3},
    {"step": 21, "loss": 0.4, "rewards/chosen": 0.4, "rewards/rejected": -0.9, "rewards/accuracies": 0.8},
    {"step": 21, "eval_loss": 0.5, "eval_rewards/chosen": 0.4, "eval_rewards/accuracies": 0.7},
    {"step": 21, "train_runtime": 12.0, "train_loss": 0.55},
]


def write_state(folder, history=HISTORY):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trainer_state.json").write_text(json.dumps({"log_history": history, "global_step": 21}))
    return folder


def test_a_state_of_trl_by_our_names_without_its_evaluations(tmp_path):
    log = read_log(write_state(tmp_path / "run"))
    assert log.records == [
        {"step": 1.0, "loss": 0.7, "chosen": 0.1, "rejected": -0.2, "chosen_logp": -30.0},
        {"step": 11.0, "loss": 0.5, "chosen": 0.3, "rejected": -0.6, "chosen_logp": -29.0},
        {"step": 21.0, "loss": 0.4, "chosen": 0.4, "rejected": -0.9, "accuracy": 0.8},
    ]
    assert (log.averaged, log.beta, log.policy) == (10, None, None)
    assert log.held_out == 0.7  # the last evaluation
    assert log.column("accuracy") == [0.8]


def test_the_last_checkpoint_of_a_run_has_the_whole_history(tmp_path):
    """By its number: checkpoint-100 comes after checkpoint-20."""
    for step, history in {20: HISTORY[:1], 100: HISTORY, 3: HISTORY[:1]}.items():
        write_state(tmp_path / "run" / f"checkpoint-{step}", history)
    (tmp_path / "run" / "checkpoint-100" / "adapter_model.safetensors").write_bytes(b"")
    log = read_log(tmp_path / "run")
    assert len(log.records) == 3
    assert log.source == tmp_path / "run" / "checkpoint-100" / "trainer_state.json"
    assert log.policy == tmp_path / "run" / "checkpoint-100"
    assert len(read_log(tmp_path / "run" / "checkpoint-20").records) == 1
    assert read_log(tmp_path / "run" / "checkpoint-3" / "trainer_state.json").records[0]["loss"] == 0.7


def test_the_model_of_a_run_is_its_own_before_that_of_a_checkpoint(tmp_path):
    write_state(tmp_path / "run" / "checkpoint-20")
    for folder in (tmp_path / "run", tmp_path / "run" / "checkpoint-20"):
        (folder / "model.safetensors").write_bytes(b"")
    assert read_log(tmp_path / "run").policy == tmp_path / "run"


def test_a_run_of_this_kit_says_its_beta_its_reference_and_its_pairs(tmp_path):
    row = {
        "step": 0,
        "loss_mean": 0.69,
        "chosen_reward_sum": 0.0,
        "rejected_reward_sum": -0.1,
        "chosen_logp_sum": -9,
    }
    (tmp_path / "metrics.jsonl").write_text(json.dumps(row | {"accuracy_mean": 0.5}) + "\n")
    record = {
        "settings": {"objective": {"name": "dpo", "beta": 0.3}},
        "request": {"model": "start", "reference": None, "pairs": "p.jsonl"},
        "held_out": {"before": {"by_reward": {"accuracy": 0.5}}, "after": {"by_reward": {"accuracy": 0.8}}},
    }
    (tmp_path / "run.json").write_text(json.dumps(record))
    log = read_log(tmp_path)
    assert log.records == [
        {"step": 0.0, "loss": 0.69, "chosen": 0.0, "rejected": -0.1, "accuracy": 0.5, "chosen_logp": -9.0}
    ]
    assert (log.beta, log.reference, log.pairs, log.averaged) == (0.3, "start", "p.jsonl", 1)
    assert log.held_out == 0.8
    assert read_log(tmp_path / "metrics.jsonl").records == log.records


@pytest.mark.parametrize("record", [{}, {"settings": [], "request": 3}, {"settings": {"objective": None}}])
def test_a_record_that_says_nothing_loses_no_log(tmp_path, record):
    (tmp_path / "metrics.jsonl").write_text(
        '{"loss_mean": 0.6, "chosen_reward_sum": 0, "rejected_reward_sum": 1}'
    )
    (tmp_path / "run.json").write_text(json.dumps(record))
    log = read_log(tmp_path)
    assert (len(log.records), log.beta, log.reference) == (1, None, None)


@pytest.mark.parametrize(
    "head",
    [
        "step,loss,rewards/chosen,rewards/rejected",
        "global_step,train/loss,train/rewards/chosen,train/rewards/rejected",
        "Iteration,Loss,chosen_rewards,rejected_rewards",
    ],
)
def test_a_csv_under_the_names_that_others_use(tmp_path, head):
    (tmp_path / "log.csv").write_text(f"{head}\n5,0.6,0.1,-0.1\n10,0.5,0.2,-0.3\n15,,,\n")
    log = read_log(tmp_path / "log.csv")
    assert log.records[-1] == {"step": 10.0, "loss": 0.5, "chosen": 0.2, "rejected": -0.3}
    assert (len(log.records), log.averaged) == (2, 5)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none", None, "no such file or folder"),
        ("log.txt", "x", "not a trainer_state.json, a metrics.jsonl or a .csv"),
        ("log.csv", "step,loss\n1,0.6\n", "no record has a loss and the rewards of chosen and rejected"),
        ("log.csv", "", "no record has a loss"),
        ("trainer_state.json", "{", "is not JSON"),
        ("trainer_state.json", "[]", "is not a JSON object"),
        ("trainer_state.json", "{}", "has no log_history"),
        ("metrics.jsonl", "{}\n{", ":2: is not JSON"),
        ("log.csv", b"\xff\xfe\x00", "is not UTF-8"),
    ],
)
def test_what_is_no_log_is_one_line(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(LogError, match=words) as caught:
        read_log(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_log_says_what_is_looked_for(tmp_path):
    with pytest.raises(
        LogError, match=r"holds no metrics.jsonl and no trainer_state.json, nor does a checkpoint"
    ):
        read_log(tmp_path)


@pytest.mark.parametrize("beta", [0, -1, True, "0.1", [], 1e999])
def test_a_beta_that_is_none_is_refused(tmp_path, beta):
    (tmp_path / "metrics.jsonl").write_text('{"loss": 0.7, "chosen": 0, "rejected": 0}')
    (tmp_path / "run.json").write_text(json.dumps({"settings": {"objective": {"beta": beta}}}))
    with pytest.raises(LogError, match=r"run.json: its beta is .*, not a number above 0"):
        read_log(tmp_path)


def test_a_log_of_two_runs_is_refused(tmp_path):
    """Its steps begin anew; a csv in which a column stands twice says two things."""
    path = tmp_path / "log.csv"
    path.write_text("step,loss,chosen,rejected\n1,0.7,0,0\n9,0.6,0,0\n1,0.7,0,0\n")
    with pytest.raises(LogError, match=r"log.csv: its steps go back to 1: a log is of one run"):
        read_log(path)
    path.write_text("step,loss,chosen,loss\n1,0.7,0,0.2\n")
    with pytest.raises(LogError, match=r"log.csv: is not csv: the column 'loss' stands twice"):
        read_log(path)


def test_what_is_told_of_a_log_whole(tmp_path):
    """Each by its path, in one line."""
    needed = "no record has a loss and the rewards of chosen and rejected"
    cases = {
        "none": (None, "no such file or folder"),
        "empty": ({}, "holds no metrics.jsonl and no trainer_state.json, nor does a checkpoint in it"),
        "log.txt": ("x", "not a trainer_state.json, a metrics.jsonl or a .csv"),
        "trainer_state.json": ("[]", "is not a JSON object"),
        "log.csv": ("step,loss\n", needed),
        "log.jsonl": ('{"loss": 1, "chosen": 2}', needed),
    }
    for name, (content, said) in cases.items():
        path = tmp_path / name
        if content == {}:
            path.mkdir()
        elif content is not None:
            path.write_text(content)
        with pytest.raises(LogError) as caught:
            read_log(path)
        assert str(caught.value) == f"{path}: {said}"


def test_a_state_in_a_run_goes_before_those_of_its_checkpoints(tmp_path):
    """One beside it, in the folder above, comes last; where only that is there it is taken."""
    above = write_state(tmp_path, HISTORY[:1])
    run, last = tmp_path / "run", write_state(tmp_path / "run" / "checkpoint-9", HISTORY[:2])
    write_state(tmp_path / "run" / "checkpoint-x", HISTORY[:1])  # no number: before all others
    assert read_log(last).source == last / "trainer_state.json"
    write_state(run)
    assert read_log(run).source == run / "trainer_state.json"
    (tmp_path / "checkpoint-3").mkdir()
    assert read_log(tmp_path / "checkpoint-3").source == above / "trainer_state.json"


def test_a_record_is_of_our_names_and_of_finite_steps(tmp_path):
    """Of several names the first counts; evaluations and rows without a loss are left out."""
    rows = [
        {"step": "nan", "loss": "0.5", "rewards/chosen": 1, "chosen": 9, "rejected": 2, "logps/rejected": -3},
        {"step": 4, "loss": None, "chosen": 1, "rejected": 2},
        {"step": 5, "loss": 10**400, "chosen": 1, "rejected": "x", "reward_rejected": 2},
        {"train/step": 5, "train_loss": 0.25, "Chosen_Rewards": 1, "rejected_reward_sum": 2, "accuracy": 1},
    ]
    assert records(rows, tmp_path) == [
        {"loss": 0.5, "chosen": 1.0, "rejected": 2.0, "rejected_logp": -3.0},
        {"step": 5.0, "loss": math.inf, "chosen": 1.0, "rejected": 2.0},
        {"step": 5.0, "loss": 0.25, "chosen": 1.0, "rejected": 2.0, "accuracy": 1.0},
    ]


@pytest.mark.parametrize(
    ("steps", "averaged"), [("1 11 21", 10), ("0 1", 1), ("3 3", 1), ("7", 1), ("2 4.9", 2)]
)
def test_a_record_is_the_mean_of_the_steps_up_to_it(tmp_path, steps, averaged):
    rows = "".join(f"{step},0.5,1,2\n" for step in steps.split())
    (tmp_path / "log.csv").write_text(f"step,loss,chosen,rejected\n{rows}")
    assert read_log(tmp_path / "log.csv").averaged == averaged


@pytest.mark.parametrize("name", ["reference", "model", "pairs"])
def test_names_of_a_run_are_texts(tmp_path, name):
    (tmp_path / "metrics.jsonl").write_text('{"loss": 0.7, "chosen": 0, "rejected": 0}')
    (tmp_path / "run.json").write_text(json.dumps({"request": {name: "x"}}))
    log = read_log(tmp_path)
    assert (log.reference, log.pairs) == ((None, "x") if name == "pairs" else ("x", None))
    (tmp_path / "run.json").write_text(json.dumps({"request": {name: 3}}))
    with pytest.raises(LogError) as caught:
        read_log(tmp_path)
    assert str(caught.value) == f"{tmp_path}/run.json: its models and pairs are not names"
    (tmp_path / "run.json").unlink()
    (tmp_path / "a.safetensors").touch()
    assert (read_log(tmp_path).policy, read_log(tmp_path).beta) == (tmp_path, None)
