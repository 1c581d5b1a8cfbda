"""The documents as a site that needs no network: `make site` builds build/site from README, CONTRIBUTING and docs/.

Sphinx reads Markdown by MyST; a link or heading that leads nowhere ends the build. Run in the repository's root.
"""

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

project = author = "evenkeel"
extensions = ["myst_parser"]
root_doc = "README"
include_patterns = ["README.md", "CONTRIBUTING.md", "docs/*.md"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # a page may leave a level of headings out
html_theme = "furo"
html_title = project
html_show_copyright = False
html_theme_options = {"source_repository": "", "top_of_page_buttons": []}

CONTENTS = {
    "Using it": [
        "study_files", "data", "training_functions", "losses", "models", "running", "cluster", "mlflow", "notebooks",
        "runs_of_others",
    ],
    "Reading it": ["reading", "gallery", "results", "benchmarks", "scale"],
    "Extending it": ["adding_a_loss", "adding_a_data_set", "adding_a_trainable", "architecture"],
    "Changes": ["changes"],
}  # fmt: skip
"""Caption -> pages of docs/, in the order of the sidebar."""


def setup(app: Sphinx) -> None:
    """README is the first page, and gets the contents that a site needs; GitHub alone draws Mermaid's pictures."""
    app.add_lexer("mermaid", TextLexer)
    app.connect("source-read", _add_contents)


def _add_contents(app: Sphinx, name: str, text: list[str]) -> None:
    if name != root_doc:
        return
    text[0] += "".join(_toctree(caption, pages) for caption, pages in CONTENTS.items())


def _toctree(caption: str, pages: list[str]) -> str:
    paths = [f"docs/{page}" for page in pages] + ["CONTRIBUTING"] * (caption == "Extending it")
    return "\n```{toctree}\n:hidden:\n:caption: " + caption + "\n\n" + "\n".join(paths) + "\n```\n"
