"""What tests of explorers share: the numbers that a table shows, and a sweep through every control."""

import re
import time

import numpy as np


def numbers(html):
    """The rows of the table `terms`, as floats, without their names."""
    rows = re.findall(r"<tr><td>.*?</td>(.*?)</tr>", html)
    text = [re.findall(r"<td>(.*?)</td>", row) for row in rows]
    return np.array([[float(x.replace("\u2212", "-")) for x in row] for row in text])


def sweep(explorer, sliders, choices):
    """Seconds of each redraw while every slider runs through its range and every choice is made."""
    times = []
    moves = [(w, round(float(v), 1)) for w in sliders for v in np.linspace(w.min, w.max, 30)]
    for widget, value in [*moves, *((choices, value) for _, value in choices.options)]:
        start = time.thread_time()
        widget.value = value
        times.append(time.thread_time() - start)
    return times
