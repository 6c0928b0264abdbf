"""Two ways of one piece of work, in turns: CPU and wall time, peak memory, and how far their results part.

Ratios are what counts: both ways meet the same machine at the same time. A ratio above 1 is in our favour.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Cost(NamedTuple):
    """Of one turn: seconds of the processor and of the clock, and MiB at the peak (None: not told here)."""

    cpu: float
    wall: float
    peak: float | None


@dataclass(frozen=True)
class Race:
    """`ours` and `theirs` do the work once and return what must agree: `apart` is at most `close`."""

    work: str
    peer: str
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    apart: Callable[[Any, Any], float]
    close: float


def run(race: Race, rounds: int) -> dict:
    """A record of the race: the first turn of each warms up and shows that they agree."""
    apart = race.apart(race.ours(), race.theirs())
    ours, theirs = [], []
    for turn in range(rounds):
        ways = [(ours, race.ours), (theirs, race.theirs)]
        for costs, way in ways[:: 1 if turn % 2 else -1]:
            costs.append(cost(way)[0])
    return record(race.work, race.peer, ours, theirs, {"apart": apart, "close": race.close})


def cost(way: Callable[[], Any]) -> tuple[Cost, Any]:
    """What one turn cost, and its result."""
    stop = stopwatch()
    result = way()
    return stop(), result


def stopwatch() -> Callable[[], Cost]:
    """What is spent between this call and that of its result."""
    _clear_peak()
    cpu, wall = time.process_time(), time.perf_counter()
    return lambda: Cost(time.process_time() - cpu, time.perf_counter() - wall, _peak())


def record(work: str, peer: str, ours: list[Cost], theirs: list[Cost], more: dict) -> dict:
    """Medians, spreads and the ratios turn by turn, theirs / ours."""
    found: dict[str, Any] = {"work": work, "peer": peer, **more, "rounds": len(ours)}
    for name in ("cpu", "wall"):
        a, b = ([getattr(each, name) for each in costs] for costs in (ours, theirs))
        ratios = sorted(y / x for x, y in zip(a, b, strict=True))
        found |= {f"ours_{name}": median(a), f"theirs_{name}": median(b), f"ratio_{name}": median(ratios)}
        found[f"ratio_{name}_spread"] = [ratios[0], ratios[-1]]
    for name, costs in (("ours", ours), ("theirs", theirs)):
        found[f"{name}_peak"] = max((c.peak for c in costs if c.peak is not None), default=None)
    return found


def _clear_peak() -> None:
    """Linux forgets the peak so far."""
    try:
        CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return


def _peak() -> float | None:
    try:
        lines = STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), None)
