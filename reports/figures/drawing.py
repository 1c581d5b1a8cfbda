"""A figure as plain data: what plotly's own classes would check at every step is checked once, by the tests.

Building a page with plotly's classes took longer than all its statistics. The methods are named as plotly's are.
"""

from copy import deepcopy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go

Keys = dict[str, Any]
EMPTY: Keys = {"data": {"scatter": [{"type": "scatter"}]}}
"""A template that changes nothing."""


class Drawing:
    """Traces and layout under plotly's keys; `margin_l=5` reaches into `margin`."""

    def __init__(self, **layout: Any) -> None:
        self.data: list[Keys] = []
        self.layout: Keys = {"template": EMPTY}
        self.update_layout(**layout)

    def add_scatter(self, **trace: Any) -> None:
        """A trace of points or lines; None leaves a key out."""
        self.data.append({"type": "scatter"} | {key: value for key, value in trace.items() if value is not None})

    def add_heatmap(self, **trace: Any) -> None:
        """A trace of coloured cells, x, y and z a cell each."""
        self.data.append({"type": "heatmap"} | trace)

    def update_layout(self, *keys: Keys, **more: Any) -> None:
        """Sets keys of the layout and leaves the others of a mapping as they are."""
        for some in (*keys, more):
            _set(self.layout, some)

    def update_xaxes(self, **keys: Any) -> None:
        """Sets keys of the first x-axis."""
        self.update_layout(xaxis=keys)

    def update_yaxes(self, **keys: Any) -> None:
        """Sets keys of the first y-axis."""
        self.update_layout(yaxis=keys)

    def add_shape(self, **shape: Any) -> None:
        """A line or rectangle."""
        self.layout.setdefault("shapes", []).append(_set({}, shape))

    def add_annotation(self, **annotation: Any) -> None:
        """A text in the figure."""
        self.layout.setdefault("annotations", []).append({"showarrow": False, **annotation})

    def add_hline(self, y: float, **keys: Any) -> None:
        """A line across."""
        self.add_shape(type="line", xref="x domain", x0=0, x1=1, yref="y", y0=y, y1=y, **keys)

    def add_vline(self, x: float, annotation_text: str = "", **keys: Any) -> None:
        """A line upwards, with a text at its upper end."""
        self.add_shape(type="line", xref="x", x0=x, x1=x, yref="y domain", y0=0, y1=1, **keys)
        if annotation_text:
            place = {"x": x, "xanchor": "left", "xref": "x", "y": 1, "yanchor": "top", "yref": "y domain"}
            self.add_annotation(text=annotation_text, **place)

    def add_hrect(self, y0: float, y1: float, **keys: Any) -> None:
        """A stripe across."""
        self.add_shape(type="rect", xref="x domain", x0=0, x1=1, yref="y", y0=y0, y1=y1, **keys)

    def add_vrect(self, x0: float, x1: float, **keys: Any) -> None:
        """A stripe upwards."""
        self.add_shape(type="rect", xref="x", x0=x0, x1=x1, yref="y domain", y0=0, y1=1, **keys)

    def to_json(self) -> Keys:
        """As the page stores it."""
        return {"data": self.data, "layout": self.layout}

    def figure(self) -> "go.Figure":
        """As a notebook shows it. Raises ValueError for keys and values that plotly does not know."""
        import plotly.graph_objects as go

        return go.Figure(deepcopy(self.data), deepcopy(self.layout))


SINGLE_KEYS = ("paper_bgcolor", "plot_bgcolor")
"""Names that hold an underscore of their own."""


def _set(mapping: Keys, keys: Keys) -> Keys:
    """Sets `keys` in nested mappings; the mapping."""
    for name, value in keys.items():
        first, _, inner = (name, "", "") if name in SINGLE_KEYS else name.partition("_")
        if inner:
            _set(mapping.setdefault(first, {}), {inner: value})
        elif isinstance(value, dict) and first != "meta":
            _set(mapping.setdefault(first, {}), value)
        else:
            mapping[name] = value
    return mapping
