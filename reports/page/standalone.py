"""A figure as a page of its own that needs no network. Plotly is in it, compressed: four tenths of its size."""

from importlib.resources import files

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.page.payload import packed, packed_plotly

POLICY = files("evenkeel.reports.page").joinpath("policy.html").read_text(encoding="utf-8")
"""Nothing is loaded from anywhere, whatever a label or a note smuggles in."""
PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8">{policy}<title>{title}</title></head>
<body>
<div id="figure"></div>
<script>
function unpacked(text) {{
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
}}
(async () => {{
  const script = document.createElement("script");  // eval is not what the page's policy allows
  script.textContent = await unpacked("{plotly}").json();
  document.head.append(script);
  const {{ data, layout }} = await unpacked("{figure}").json();
  await Plotly.newPlot("figure", data, layout, {{ responsive: true }});
}})();
</script>
</body>
</html>
"""


def alone(drawing: Drawing, title: str) -> str:
    """The page as text; `title` is plain words."""
    return PAGE.format(title=title, policy=POLICY, plotly=packed_plotly(), figure=packed(drawing.to_json()))
