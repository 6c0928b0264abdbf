"""A search tree as a figure: a column a step, the best on top, what was kept, pruned and finished."""

import plotly.graph_objects as go

from dpoq_lab.search.beams import SearchTree
from dpoq_lab.views.figures import BLUE, GREY, ORANGE, axes

WINDOW = 4  # steps drawn at once
LOOKS = {
    "kept": {"color": BLUE, "symbol": "circle", "size": 10},
    "pruned": {"color": GREY, "symbol": "x-thin-open", "size": 7},
    "finished": {"color": ORANGE, "symbol": "star", "size": 13},
}


def search_figure() -> go.Figure:
    """The empty axes of `draw_search`."""
    figure = axes(400, "step").update_layout(margin={"l": 5, "r": 5}).update_xaxes(dtick=1)
    figure.update_yaxes(visible=False)
    figure.add_scatter(mode="lines", line={"color": GREY, "width": 1}, hoverinfo="skip", showlegend=False)
    for status, look in LOOKS.items():
        figure.add_scatter(
            name=status, mode="markers+text", marker=look, textposition="top right", hoverinfo="text"
        )
    return figure


def places(tree: SearchTree) -> list[tuple[int, float]]:
    """x and y of every node: its step, and minus its rank among the nodes of the step."""
    ranks: dict[int, int] = {}
    found = []
    for node in tree.nodes:
        ranks[node.step] = ranks.get(node.step, 0) + 1
        found.append((node.step, float(-ranks[node.step])))
    return found


def draw_search(figure: go.Figure, tree: SearchTree, words: list[str], hovers: list[str], step: int) -> None:
    """Draw the last steps up to `step`; `words` and `hovers` (escaped) say what each node is."""
    at = places(tree)
    shown = [i for i, node in enumerate(tree.nodes) if step - WINDOW < node.step <= step]
    edges = [(tree.nodes[i].parent, i) for i in shown if tree.nodes[i].parent in shown]
    x, y = [], []
    for a, b in edges:
        x += [at[a][0], at[b][0], None]
        y += [at[a][1], at[b][1], None]
    with figure.batch_update():
        figure.data[0].update(x=x, y=y)
        for trace, status in zip(figure.data[1:], LOOKS, strict=True):
            mine = [i for i in shown if tree.nodes[i].status == status]
            texts = [words[i] if status != "pruned" else "" for i in mine]
            trace.update(
                x=[at[i][0] for i in mine],
                y=[at[i][1] for i in mine],
                text=texts,
                hovertext=[hovers[i] for i in mine],
            )
        figure.update_xaxes(range=[max(step - WINDOW, 0) + 0.5, max(step, WINDOW) + 0.9])


def regret_figure(sizes: list[float], curves: dict[str, list[float]]) -> go.Figure:
    """Mean regret by the size of the noise, a line a search."""
    figure = axes(360, "standard deviation of the noise", "regret in R + beta log pi_ref")
    looks = ((BLUE, "solid"), (ORANGE, "dash"), (ORANGE, "dot"), (GREY, "dashdot"))
    for (name, y), (colour, dash) in zip(curves.items(), looks, strict=True):
        figure.add_scatter(
            name=name, x=sizes, y=y, mode="lines+markers", line={"color": colour, "dash": dash}
        )
    return figure


def width_figure(summary: dict, measure: str, penalty: int, widths: list[int], title: str) -> go.Figure:
    """A measure by beam width, a line a policy, with 95% intervals over seeds; greedy is width 1."""
    figure = axes(360, "beam width", title).update_xaxes(type="category")
    dashes = ("solid", "dash", "dot", "dashdot")
    colours = (GREY, BLUE, ORANGE, BLUE)
    for (name, ways), dash, colour in zip(summary.items(), dashes, colours, strict=True):
        rows = [ways[f"width {width}, penalty {penalty}"][measure] for width in widths]
        error = {"array": [row["half_95"] for row in rows]}
        y = [row["mean"] for row in rows]
        figure.add_scatter(
            name=name, x=list(map(str, widths)), y=y, error_y=error, line={"dash": dash, "color": colour}
        )
    return figure
