"""Logs and scored pairs that `diagnose` reads."""

import json
from collections.abc import Iterator
from random import Random

from hostile.case import (
    EITHER,
    GOOD,
    REFUSED,
    Case,
    Lay,
    copied,
    cut,
    edited_json,
    files,
    lines,
    removed,
    several,
)

ROWS = [
    {"step": n, "loss": 0.69 - n / 50, "rewards/chosen": n / 20, "rewards/rejected": -n / 20}
    for n in range(9)
]
STATE, METRICS, TABLE = "trainer_state.json", "metrics.jsonl", "log.csv"
OURS = [
    {"step": r["step"], "loss_mean": r["loss"], "chosen_reward_sum": 0.1, "rejected_reward_sum": 0}
    for r in ROWS
]
HEAD = ",".join(ROWS[0])
CSV = "\n".join([HEAD, *(",".join(map(str, row.values())) for row in ROWS)]) + "\n"
BIG = "9" * 5000


def _state(rows: object) -> str:
    return json.dumps({"log_history": rows})


def _with(**changes: object) -> str:
    return _state([*ROWS[:4], ROWS[4] | {k.replace("_", "/"): v for k, v in changes.items()}, *ROWS[5:]])


BAD = {  # name of the file, what it holds
    "state, a list": (STATE, "[]"),
    "state, null": (STATE, "null"),
    "state, empty": (STATE, ""),
    "state, torn": (STATE, _state(ROWS)[:200]),
    "state, no history": (STATE, "{}"),
    "state, history null": (STATE, _state(None)),
    "state, history an object": (STATE, _state({"loss": 1})),
    "state, history empty": (STATE, _state([])),
    "state, history of numbers": (STATE, _state([1, 2])),
    "state, words for numbers": (STATE, _state([row | {"loss": "low"} for row in ROWS])),
    "state, lists for numbers": (STATE, _state([row | {"loss": [0.5]} for row in ROWS])),
    "state, evaluations alone": (STATE, _state([{"eval_loss": 0.5, "eval_rewards/chosen": 1} for _ in ROWS])),
    "state, no rewards": (STATE, _state([{"loss": 0.5, "step": 1}])),
    "state, nested deeply": (STATE, "[" * 100_000),
    "state, nested deeply inside": (STATE, '{"log_history":' + "[" * 100_000),
    "state, UTF-16": (STATE, _state(ROWS).encode("utf-16")),
    "state, 5000 digits": (STATE, _state(ROWS).replace("0.69", BIG)),
    "state, steps back": (STATE, _state(ROWS[::-1])),
    "csv, empty": (TABLE, ""),
    "csv, names alone": (TABLE, HEAD + "\n"),
    "csv, no loss": (TABLE, CSV.replace("loss", "lost")),
    "csv, no rewards": (TABLE, "step,loss\n1,0.5\n"),
    "csv, semicolons": (TABLE, CSV.replace(",", ";")),
    "csv, tabs": (TABLE, CSV.replace(",", "\t")),
    "csv, binary": (TABLE, bytes(range(256)) * 9),
    "csv, NUL": (TABLE, b"\0" * 999),
    "csv, names twice": (
        TABLE,
        CSV.replace(HEAD, HEAD + ",loss").replace("\n", ",7\n").replace("loss,7", "loss"),
    ),
    "csv, two runs": (TABLE, CSV + CSV),
    "csv, two runs without names": (TABLE, CSV + CSV.partition("\n")[2]),
    "csv, no names": (TABLE, CSV.partition("\n")[2]),
    "csv, latin-1": (TABLE, (CSV + "\u00e9").encode("latin-1")),
    "csv, JSON lines": (TABLE, lines(OURS)),
    "metrics, empty": (METRICS, ""),
    "metrics, lists": (METRICS, "[]\n" * 9),
    "metrics, words": (METRICS, "step 1 loss 0.5\n"),
    "metrics, torn in the middle": (METRICS, lines(OURS)[:100] + "\n" + lines(OURS)),
    "metrics, other names": (METRICS, '{"a": 1}\n'),
    "metrics, UTF-16": (METRICS, lines(OURS).encode("utf-16")),
    "metrics, 5000 digits": (METRICS, f'{{"loss": {BIG}}}\n'),
    "metrics, an array": (METRICS, json.dumps(OURS)),
    "a text": ("log.txt", CSV),
    "a tensorboard file": ("events.out.tfevents.1", b"\x18\0\0\0"),
}
TAKEN = {
    "state, 400 digits": (STATE, _state(ROWS).replace("0.69", "9" * 400)),
    "state, a step NaN": (STATE, _with(step=float("nan"))),
    "state, the second step infinite": (STATE, _state([ROWS[0], ROWS[1] | {"step": float("inf")}])),
    "state, the first step NaN": (STATE, _state([ROWS[0] | {"step": float("nan")}, *ROWS[1:]])),
    "csv, a cell of a megabyte": (TABLE, CSV + "x" * 1_000_000 + ",1,1,1\n"),
    "metrics, 400 digits": (METRICS, lines(OURS) + lines(OURS[-1:]).replace("8", "9" * 400, 1)),
    "state": (STATE, _state(ROWS)),
    "state, a mark": (STATE, b"\xef\xbb\xbf" + _state(ROWS).encode()),
    "state, evaluations between": (STATE, _state([*ROWS, {"eval_loss": 1.0, "step": 9}])),
    "state, numbers as text": (STATE, _state([{k: str(v) for k, v in row.items()} for row in ROWS])),
    "state, one record": (STATE, _state(ROWS[:1])),
    "state, NaN": (STATE, _with(loss=float("nan"))),
    "state, infinite rewards": (STATE, _with(rewards_chosen=float("inf"))),
    "state, all NaN": (STATE, _state([row | {"loss": float("nan")} for row in ROWS])),
    "csv": (TABLE, CSV),
    "csv, CRLF": (TABLE, CSV.replace("\n", "\r\n")),
    "csv, a mark": (TABLE, "\ufeff" + CSV),
    "csv, quoted": (TABLE, CSV.replace("0.69", '"0.69"')),
    "metrics": (METRICS, lines(OURS)),
    "metrics, blank lines": (METRICS, lines(OURS).replace("\n", "\n\n")),
}


def cases(rng: Random) -> Iterator[Case]:
    """`diagnose` of each as a file, and of a seeded half as a folder."""
    for name, (file, data) in BAD.items():
        out = ["--out", "out"]
        yield Case("logs", name, ["diagnose", file, *out], files({file: data}), (1,), file)
        if rng.random() < 0.5 and file in (STATE, METRICS):
            yield Case(
                "logs", f"{name}, in a run", ["diagnose", "run"], files({f"run/{file}": data}), (1,), "run"
            )
    for name, (file, data) in TAKEN.items():
        asked = ["diagnose", file, "--out", "out"]
        yield Case("logs", name, asked, files({file: data}), (0,), says="out/report.html")
    torn = lines(OURS)[:-30]
    yield Case(
        "logs",
        "metrics, torn at the end",
        ["diagnose", METRICS],
        files({METRICS: torn}),
        EITHER,
        METRICS,
        writes=("diagnosis",),
    )
    for name, run in {
        "missing": "run",
        "empty": "",
        "5000 letters": "x" * 5000,
        "ANSI": "\x1b[31mrun",
    }.items():
        yield Case(
            "logs",
            f"a run {name}",
            ["diagnose", run],
            files({}),
            REFUSED,
            run[:3] if "\x1b" not in run else "run",
        )
    yield Case("logs", "an empty run", ["diagnose", "run"], files({"run": None}), (1,), "run")
    yield from _of_runs()


def _trained_with(beta: object) -> dict:
    return {"settings": {"objective": {"name": "dpo", "beta": beta}}}


KIT = several(copied("../stopped", "."), copied("../a", "run"), removed("run/checkpoint-50"))
RUNS: dict[str, Lay] = {
    "run.json a list": files({"run/run.json": "[]"}),
    "run.json torn": cut("run/run.json", 0.5),
    "run.json nested deeply": files({"run/run.json": "[" * 100_000}),
    "run.json 5000 digits": files({"run/run.json": f'{{"a": {BIG}}}'}),
    **{
        f"beta {beta!r}": edited_json("run/run.json", _trained_with(beta))
        for beta in ("0.1", -1, 0, [], float("nan"), float("inf"), True, {})
    },
    "weights empty": files({"run/model.safetensors": b""}),
    "weights torn": cut("run/model.safetensors", 0.5),
    "weights text": files({"run/model.safetensors": "x" * 99}),
}
REQUESTS = {"model a number": {"model": 5}, "reference a list": {"reference": ["x"]}, "none": {}}


def _of_runs() -> Iterator[Case]:
    """A run of this kit whose record or model is not what it should be."""
    kind, asked = "logs: runs", ["diagnose", "run", "--pairs"]
    for name, change in RUNS.items():
        yield Case(kind, name, asked[:2], several(KIT, change), (1,), "run")
    for name, request in REQUESTS.items():
        lay = several(KIT, edited_json("run/run.json", {"request": request}))
        yield Case(kind, f"scored, {name}", [*asked, "pairs.jsonl"], lay, REFUSED, "run")
    alone = several(GOOD, files({METRICS: lines(OURS)}))
    log = ["diagnose", METRICS, "--pairs", "pairs.jsonl"]
    yield Case(kind, "no model to score with", log, alone, (1,), METRICS)
    yield Case(kind, "scored, pairs missing", [*asked, "gone.jsonl"], KIT, (1,), "gone.jsonl")
    bad = several(KIT, files({"bad.jsonl": "{oops\n"}))
    yield Case(kind, "scored, pairs unusable", [*asked, "bad.jsonl"], bad, (1,), "bad.jsonl")
    yield Case(kind, "as it is", asked[:2], KIT, (0,), says="verdict", writes=("run/diagnosis",))
