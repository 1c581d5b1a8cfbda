"""Small multiples: frames of one size with one y-axis, in as many columns as the reader's window holds.

The page picks the arrangement by its width: `layout.meta.arrangements` maps a number of columns to the keys of the
layout that change. Curves of one figure may be of several views (`trace.meta.view`), of which one is shown.
"""

import math
from collections.abc import Sequence
from typing import Any

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.style import FAINT, MARGIN, figure
from evenkeel.reports.text.wording import level

MAX_COLUMNS = 4
FRAME_HEIGHT, ROW_GAP, COLUMN_GAP, TITLE_LINE_HEIGHT = 140, 42, 0.1, 16
"""Height of a frame and of what lies between two rows, in pixels; what lies between columns as a share of a column;
height of a line of a title, which comes on top."""

END_ROOM = 0.08
"""Beside the outermost levels, as a share of what lies between them."""
TOP_MARGIN, BOTTOM_MARGIN, LEGEND_LINE_HEIGHT, LEGEND_ENTRY_WIDTH, COLUMN_WIDTH = 50, 36, 22, 90, 190
"""Pixels: above and below all rows, a line of the legend, an entry of the legend, the usual width of a column."""


def multiples(
    titles: Sequence[str],
    views: dict[str, str],
    *,
    margins: Sequence[float],
    num_entries: int,
    columns: int = MAX_COLUMNS,
) -> Drawing:
    """Empty frames as of `frames`; the margin of a frame is its stripe."""
    drawn = frames(titles, views, num_entries=num_entries, columns=columns)
    for i, margin in enumerate(margins):
        x, y = f"x{axis_number(i)}", f"y{axis_number(i)}"
        domain = {"xref": f"{x} domain", "yref": y, "x0": 0, "x1": 1, "layer": "below"}
        drawn.add_shape(type="rect", y0=-margin, y1=margin, fillcolor=MARGIN, line_width=0, **domain)
        drawn.add_shape(type="line", y0=0, y1=0, line={"color": FAINT, "width": 1}, **domain)
    return drawn


def frames(titles: Sequence[str], views: dict[str, str], *, num_entries: int = 0, columns: int) -> Drawing:
    """Empty frames, one a title; frame i has the axes x{i} and y{i}, all y alike. `views` maps a view to its title.

    `num_entries` of the legend need room above; `columns` at most.
    """
    drawn = figure(x_title="", y_title="")
    num, lines = len(titles), 1 + max(title.count("<br>") for title in titles)
    arrangements = {n: _arrangement(num, n, num_entries, lines) for n in range(1, columns + 1)}
    axes = {f"{axis}axis{axis_number(i)}": drawn.layout[f"{axis}axis"] for i in range(num) for axis in "xy"}
    drawn.update_layout(axes | {"meta": {"views": views, "arrangements": arrangements}})
    for i, title in enumerate(titles):
        x, y = f"x{axis_number(i)}", f"y{axis_number(i)}"
        drawn.update_layout({f"xaxis{x[1:]}": {"anchor": y}, f"yaxis{y[1:]}": {"anchor": x}})
        if i:
            drawn.update_layout({f"yaxis{y[1:]}": {"matches": "y"}})
        drawn.add_annotation(
            text=f"<b>{title}</b>", xref=f"{x} domain", yref=f"{y} domain", x=0, y=1, xanchor="left", yanchor="bottom",
            align="left", yshift=2, showarrow=False, font={"size": 12},
        )  # fmt: skip
    drawn.update_layout(arrangements[min(num, columns)], margin_l=60, margin_r=14, margin_b=BOTTOM_MARGIN)
    text = {"text": next(iter(views.values())), "font": {"size": 13}, "x": 0, "xanchor": "left", "xref": "paper"}
    drawn.update_layout(title={**text, **{"yref": "container", "yanchor": "top", "y": 1, "pad": {"t": 4}}})
    drawn.update_layout(legend={"yref": "container", "yanchor": "top"})
    return drawn


def add_curve(drawn: Drawing, frame: int, loss: str, look: tuple[str, str], symbol: str, **trace: Any) -> None:
    """Draw a loss through levels in a frame; the legend names it once. `look`: colour and dash; `trace`: x, y, ..."""
    number, (colour, dash) = axis_number(frame), look
    drawn.add_scatter(
        xaxis=f"x{number}", yaxis=f"y{number}", mode="lines+markers", name=loss, legendgroup=loss,
        showlegend=frame == 0, line={"color": colour, "dash": dash}, marker={"symbol": symbol, "size": 7}, **trace,
    )  # fmt: skip


def axis_number(frame: int) -> str:
    """The first axis has no number."""
    return str(frame + 1) if frame else ""


def ticks(levels: Sequence[Any], *, log: bool = False) -> dict[str, Any]:
    """The keys of an x-axis over these levels: at most three ticks, so that narrow frames hold them, and a range that
    stays when curves are switched off.
    """
    if any(not isinstance(value, int | float) for value in levels):
        return {"type": "category"}
    ordered = sorted(set(levels))
    chosen = [ordered[0], ordered[len(ordered) // 2], ordered[-1]] if len(ordered) > 2 else ordered
    keys = {"tickvals": chosen, "ticktext": [level(value) for value in chosen], "tickangle": 0}
    if log and ordered[0] <= 0:
        return keys | {"type": "log"}
    low, high = (math.log10(end) if log else float(end) for end in (ordered[0], ordered[-1]))
    room = END_ROOM * (high - low or 1)
    return keys | {"type": "log" if log else "linear", "range": [low - room, high + room]}


def _arrangement(num: int, columns: int, num_entries: int, lines: int) -> dict[str, Any]:
    """The keys of a layout, dotted paths as plotly writes them with underscores in Python."""
    rows = -(-num // columns)
    row_gap = ROW_GAP + TITLE_LINE_HEIGHT * lines
    inner = rows * FRAME_HEIGHT + (rows - 1) * row_gap
    between = COLUMN_GAP / columns
    width, high, gap = (1 - (columns - 1) * between) / columns, FRAME_HEIGHT / inner, row_gap / inner
    top = (
        TOP_MARGIN
        + TITLE_LINE_HEIGHT * (lines - 1)
        + LEGEND_LINE_HEIGHT * -(-num_entries * LEGEND_ENTRY_WIDTH // (columns * COLUMN_WIDTH))
    )
    height = inner + top + BOTTOM_MARGIN
    keys: dict[str, Any] = {"height": height, "margin_t": top, "legend_y": round(1 - LEGEND_LINE_HEIGHT / height, 4)}
    for i in range(num):
        row, column = divmod(i, columns)
        left, upper = column * (width + between), 1 - row * (high + gap)
        number = axis_number(i)
        keys |= {
            f"xaxis{number}_domain": [round(left, 4), round(left + width, 4)],
            f"yaxis{number}_domain": [max(0, round(upper - high, 4)), round(upper, 4)],
            f"yaxis{number}_showticklabels": column == 0,
        }
    return keys
