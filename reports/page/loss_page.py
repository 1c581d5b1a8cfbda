"""A page about one loss: value and gradient against p, for a range of each hyperparameter, beside its other form."""

import json
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import plotly.io
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from plotly.colors import sample_colorscale
from plotly.offline import get_plotlyjs
from plotly.subplots import make_subplots

from evenkeel.reports.figures.style import FAINT, GRID, INK

PANELS = ("loss of a positive", "loss of a negative", "gradient of a positive", "gradient of a negative")
SHADES = "Viridis"
PAGE_FIGURE_HEIGHT = 620


@dataclass(frozen=True)
class LossCurves:
    """One loss along p: `panels` holds the four of PANELS, [N] each; `value` is that of the moved hyperparameter."""

    value: float | str
    is_default: bool
    p: np.ndarray
    panels: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Moved:
    """One hyperparameter moved through its range, in a form of the loss and, where there is one, in the other."""

    hyperparameter: str
    symbol: str
    source: str
    curves: list[LossCurves]
    other: list[LossCurves]


def write_loss_page(path: str, name: str, other: str | None, text: str, moved: list[Moved]) -> None:
    """Write the page of loss `name` as one file that needs no network."""
    environment = Environment(
        loader=PackageLoader("evenkeel.reports.page", ""), autoescape=select_autoescape(), undefined=StrictUndefined
    )
    figures = {m.hyperparameter: json.loads(plotly.io.to_json(_figure(m, name, other))) for m in moved}
    page = environment.get_template("loss_page.html").render(
        name=name,
        other=other,
        text=text,
        moved=moved,
        figures=json.dumps(figures, sort_keys=True).replace("</", "<\\/"),
        style=files("evenkeel.reports.page").joinpath("page.css").read_text(encoding="utf-8"),
        plotly=get_plotlyjs(),
    )
    with open(path, "w", encoding="utf-8") as file:
        file.write(page)


def _figure(moved: Moved, name: str, other: str | None) -> object:
    """2 x 2 panels: solid lines this form, dashed ones the other, light to dark with the value."""
    drawn = make_subplots(rows=2, cols=2, subplot_titles=PANELS, horizontal_spacing=0.09, vertical_spacing=0.13)
    shades = sample_colorscale(SHADES, np.linspace(0.05, 0.85, len(moved.curves)).tolist())
    for curves, dash, form in ((moved.curves, "solid", name), (moved.other, "dash", other)):
        for curve, shade in zip(curves, shades, strict=bool(curves)):
            for panel, values in enumerate(curve.panels):
                drawn.add_scatter(
                    x=np.round(curve.p, 5).tolist(),
                    y=np.round(values, 6).tolist(),
                    row=1 + panel // 2,
                    col=1 + panel % 2,
                    mode="lines",
                    line={"color": shade, "dash": dash, "width": 3 if curve.is_default else 1.5},
                    name=f"{form}, {moved.symbol} = {_text(curve.value)}{' (default)' if curve.is_default else ''}",
                    legendgroup=f"{form} {curve.value}",
                    showlegend=panel == 0,
                )
    axis = {"gridcolor": GRID, "zeroline": True, "zerolinecolor": FAINT, "linecolor": FAINT}
    drawn.update_xaxes(**axis, range=[0, 1])
    drawn.update_xaxes(title={"text": "p"}, row=2)
    drawn.update_yaxes(**axis)
    drawn.update_layout(
        template="none",
        height=PAGE_FIGURE_HEIGHT,
        margin={"l": 60, "r": 10, "t": 40, "b": 50},
        font={"family": "system-ui, sans-serif", "size": 13, "color": INK},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": FAINT, "activecolor": INK},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"font": {"size": 11}},
    )
    return drawn


def _text(value: float | str) -> str:
    return f"{value:g}" if isinstance(value, float | int) and not isinstance(value, bool) else str(value)
