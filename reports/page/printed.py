"""Figures for a paper: each at the width of one column and of two, without what only a screen needs, and their numbers.

What is drawn is plotly's; a browser turns `svg_page` into SVG and `pdf_page` into PDF, both as vectors.
"""

import html
import json
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from plotly.offline import get_plotlyjs

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.small_multiples import FRAME_HEIGHT
from evenkeel.reports.page.page import sections
from evenkeel.reports.table.designs import losses_of, sweep_of, swept_hyperparameters, with_metric
from evenkeel.reports.table.memo import with_cache
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.verdict.verdict import judge

PIXELS_PER_INCH = 96
WIDTHS = {"one-column": 3.5, "two-column": 7.16}
"""Inches, as IEEE's two-column pages have them."""
FONT = {"family": "Helvetica, Arial, sans-serif", "size": 9.5, "color": "#000000"}
"""9.5 pixels are 7 points, the least that journals ask for."""
FRAME_WIDTH = 165
"""Pixels that a frame of small multiples needs."""
SVGS = "svgs"


@dataclass(frozen=True)
class PrintedDrawing:
    """A figure as a paper prints it; `name` is a file's name without its ending, sizes are in pixels."""

    name: str
    width: int
    height: int
    drawing: Drawing


def printed_drawings(table: pd.DataFrame, *, seed: int = 0) -> list[PrintedDrawing]:
    """Every figure of the page under the study's metric, in each of WIDTHS."""
    metric = facts_of(table).metric
    table = with_metric(with_cache(table, facts_of(table)), metric)
    printed = []
    for section in sections(table):
        rng = np.random.default_rng([seed, zlib.crc32(f"{section.key} {metric}".encode())])
        drawing = section.draw(section.compute(table, rng))
        if drawing is not None:
            keys = drawing.to_json()
            printed += [_printed(f"{section.key}-{name}", keys, inches) for name, inches in WIDTHS.items()]
    return printed


def _printed(name: str, keys: dict[str, Any], inches: float) -> PrintedDrawing:
    """A copy at a width: print fonts, black on white, the first of its views, no title of a view."""
    drawing, width = Drawing(), round(inches * PIXELS_PER_INCH)
    copy = json.loads(json.dumps(keys))
    views = list((copy["layout"].get("meta") or {}).get("views", {}))
    drawing.data = [t for t in copy["data"] if not views or (t.get("meta") or {}).get("view", views[0]) == views[0]]
    drawing.layout = copy["layout"]
    arrangements = (copy["layout"].get("meta") or {}).get("arrangements")
    if arrangements:
        drawing.update_layout(**arrangements[str(max(1, min(len(arrangements), width // FRAME_WIDTH)))])
        drawing.update_layout(margin={"l": 38, "r": 6})
    else:
        height = drawing.layout.get("height", FRAME_HEIGHT)
        drawing.update_layout(height=round(height if name.startswith("verdicts") else min(height, 0.72 * width + 40)))
    for annotation in drawing.layout.get("annotations", []):
        annotation["font"] = (annotation.get("font") or {}) | {"size": FONT["size"]}
    legend = {"font": {"size": FONT["size"]}, "title": {"text": ""}}
    if "title" in drawing.layout:
        drawing.update_layout(title={"font": {"size": FONT["size"]}})
    drawing.update_layout(width=width, font=FONT, paper_bgcolor="#ffffff", plot_bgcolor="#ffffff", legend=legend)
    return PrintedDrawing(name, width, int(drawing.layout["height"]), drawing)


def svg_page(printed: list[PrintedDrawing]) -> str:
    """A page that ends with the SVG of each figure, a JSON list in the element SVGS."""
    figures = [p.drawing.to_json() | {"width": p.width, "height": p.height} for p in printed]
    data = json.dumps(figures).replace("<", "\\u003c")
    return f"""<!doctype html><meta charset="utf-8"><div id="plot"></div><pre id="{SVGS}"></pre>
<script>{get_plotlyjs()}</script>
<script>(async () => {{
  const svgs = [];
  for (const {{ data, layout, width, height }} of {data}) {{
    const url = await Plotly.toImage({{ data, layout }}, {{ format: "svg", width, height }});
    svgs.push(decodeURIComponent(url.slice(url.indexOf(",") + 1)));
  }}
  document.getElementById("{SVGS}").textContent = JSON.stringify(svgs);
}})();</script>"""


def read_svgs(dom: str) -> list[str]:
    """The SVGs of a page as a browser left it. Raises ValueError where it holds none."""
    start = dom.rfind(f'<pre id="{SVGS}">')
    text = html.unescape(dom[dom.index(">", start) + 1 : dom.index("</pre>", start)]) if start >= 0 else ""
    if not text:
        raise ValueError("the browser drew no figure in time")
    return json.loads(text)


def pdf_page(svg: str, printed: PrintedDrawing) -> str:
    """A page of the size of one figure, for a browser to print."""
    size = f"{printed.width / PIXELS_PER_INCH}in {printed.height / PIXELS_PER_INCH}in"
    style = f"@page {{ size: {size}; margin: 0 }} body {{ margin: 0 }} svg {{ display: block }}"
    return f'<!doctype html><meta charset="utf-8"><style>{style}</style>{svg}'


def curve_frame(table: pd.DataFrame) -> pd.DataFrame:
    """The curves with names: a row per loss, hyperparameter and level; changes in the unit of `metric`, 95% ends."""
    study, rows = facts_of(table), []
    for name in swept_hyperparameters(table):
        for sweep in filter(None, (sweep_of(table, loss, name) for loss in losses_of(table))):
            verdict = judge(sweep, study.margin, study.floor).status
            pairs = zip(sweep.levels, sweep.reference, sweep.level_scores, strict=True)
            for number, (value, change, score) in enumerate(pairs):
                rows.append({
                    "study": study.name, "metric": study.metric, "loss": sweep.loss, "hyperparameter": name,
                    "level": value, "is_default": number == sweep.default, "score": score.value, "change": change.value,
                    "low": change.low, "high": change.high, "seeds": change.n, "margin": study.margin,
                    "verdict": verdict,
                })  # fmt: skip
    return pd.DataFrame(rows)
