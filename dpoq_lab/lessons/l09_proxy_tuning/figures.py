"""The figure of lesson 09: true score of a steered base by lambda."""

import plotly.graph_objects as go

from dpoq_lab.views.figures import BLUE, GREY, ORANGE, axes


def lambda_figure(row: dict, lambdas: tuple[float, ...], proxies: tuple[str, ...]) -> go.Figure:
    """A line a proxy with 95% intervals over seeds, and the tuned base as a level."""
    figure = axes(360, "lambda", "true score, best 6")
    for name, colour in zip(proxies, (BLUE, ORANGE), strict=True):
        points = [row[f"{name}, lambda {lam:g}"] for lam in lambdas]
        error = {"array": [point["half_95"] for point in points]}
        y = [point["mean"] for point in points]
        figure.add_scatter(name=name, x=lambdas, y=y, error_y=error, line={"color": colour})
    level = row["SFT and DPO of the base itself"]["mean"]
    figure.add_scatter(
        name="tuned itself",
        x=lambdas,
        y=[level] * len(lambdas),
        mode="lines",
        line={"color": GREY, "dash": "dash"},
    )
    return figure
