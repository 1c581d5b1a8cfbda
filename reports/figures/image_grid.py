"""Frames without scales, each as wide as the others: pictures and coordinates."""

import base64
from collections.abc import Sequence

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.small_multiples import axis_number
from evenkeel.reports.figures.style import figure

FRAME_GAP, TITLE_HEIGHT = 0.02, 24


def frames(titles: Sequence[str], *, height: int, columns: int) -> Drawing:
    """Frame i has the axes x{i} and y{i}, and its title above it; `height` of a frame in pixels."""
    rows = -(-len(titles) // columns)
    total = rows * (height + TITLE_HEIGHT)
    drawn = figure(x_title="", y_title="", height=total + 60)
    drawn.update_layout(margin={"l": 10, "r": 10, "t": 50, "b": 10})
    for i, title in enumerate(titles):
        (row, column), number = divmod(i, columns), axis_number(i)
        left, upper = column / columns, 1 - (row * (height + TITLE_HEIGHT) + TITLE_HEIGHT) / total
        hidden = {"visible": False, "showgrid": False, "fixedrange": True}
        drawn.update_layout({
            f"xaxis{number}": {**hidden, "anchor": f"y{number}", "domain": [left, left + 1 / columns - FRAME_GAP]},
            f"yaxis{number}": {**hidden, "anchor": f"x{number}", "domain": [max(0, upper - height / total), upper]},
        })  # fmt: skip
        drawn.add_annotation(
            text=f"<b>{title}</b>", xref=f"x{number} domain", yref=f"y{number} domain", x=0, y=1, xanchor="left",
            yanchor="bottom", font={"size": 12},
        )  # fmt: skip
    return drawn


def square(drawn: Drawing) -> None:
    """A unit is as long across as upwards, in every frame; without a legend nothing stands above the titles."""
    for axis in [name for name in drawn.layout if name.startswith("yaxis")]:
        number = axis.removeprefix("yaxis")
        keys = {"scaleanchor": f"x{number}", "constrain": "domain", "constraintoward": "top"}
        drawn.update_layout({axis: keys, f"xaxis{number}": {"constrain": "domain", "constraintoward": "left"}})
    drawn.update_layout(showlegend=False, margin_t=20)


def picture(drawn: Drawing, frame: int, jpeg: bytes, *, size: tuple[float, float], loss: str = "") -> None:
    """Lay a picture into a frame: its upper left corner at (0, 0), y downwards; hidden with its loss."""
    number = axis_number(frame)
    uri = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
    width, height = size
    drawn.layout.setdefault("images", []).append({
        "source": uri, "xref": f"x{number}", "yref": f"y{number}", "x": 0, "y": 0, "sizex": width, "sizey": height,
        "sizing": "stretch", "layer": "below", "name": loss,
    })  # fmt: skip
