"""Figures for a paper: widths, readable text, no interface fonts, CSV with names; one is really drawn by a browser."""

import shutil
from xml.etree import ElementTree

import numpy as np
import pytest

from evenkeel.reports.page.printed import PIXELS_PER_INCH, WIDTHS, curve_frame, printed_drawings, read_svgs
from evenkeel.reports.table.designs import sweep_of
from evenkeel.study.commands import figures
from evenkeel.study.commands.figures import BROWSERS, print_pdf, write_figures
from evenkeel.study.errors import UserError
from tests.synthetic import table
from tests.test_sections import sharp

BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)


def test_every_figure_of_the_page_comes_in_both_widths(rng):
    printed = printed_drawings(table(rng, sharp))
    names = {p.name.removesuffix("-one-column").removesuffix("-two-column") for p in printed}
    assert {"overview", "verdicts", "sensitivity-clip", "tolerance"} <= names and len(printed) == 2 * len(names)
    for p in printed:
        assert p.width == round(PIXELS_PER_INCH * next(w for kind, w in WIDTHS.items() if p.name.endswith(kind)))
        p.drawing.figure()  # raises for keys that plotly does not know


def test_text_is_readable_and_in_no_font_of_an_interface(rng):
    for p in printed_drawings(table(rng, sharp)):
        layout = p.drawing.figure().layout
        assert "system-ui" not in layout.font.family and layout.font.size * 0.75 >= 7  # points
        assert all(note.font.size is None or note.font.size * 0.75 >= 7 for note in layout.annotations)
        views = {trace["meta"]["view"] for trace in p.drawing.data if "view" in (trace.get("meta") or {})}
        assert len(views) <= 1, "one view of several"


def test_the_forest_carries_the_verdicts(rng):
    forest = next(p for p in printed_drawings(table(rng, sharp)) if p.name == "verdicts-one-column")
    texts = {text for trace in forest.drawing.data if trace.get("mode") == "text" for text in trace["text"]}
    assert texts and texts <= set(curve_frame(table(rng, sharp)).verdict)


def test_the_csv_names_loss_hyperparameter_level_and_verdict(rng):
    trials = table(rng, sharp)
    frame = curve_frame(trials)
    assert {"loss", "hyperparameter", "level", "verdict", "change", "low", "high", "seeds"} <= set(frame.columns)
    sweep = sweep_of(trials, "ral", "clip")
    rows = frame[(frame.loss == "ral") & (frame.hyperparameter == "clip")]
    assert rows.level.tolist() == sweep.levels and rows.is_default.sum() == 1
    np.testing.assert_allclose(rows.change, sweep.differences_LS.mean(1))


@pytest.mark.skipif(BROWSER is None, reason="no browser")
def test_a_browser_draws_them_as_vectors(rng, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "DRAWN_MS", 20_000)
    trials = table(rng, sharp, designs=("sweep",))
    drawings = printed_drawings(trials)
    monkeypatch.setattr("evenkeel.reports.page.printed.printed_drawings", lambda _: drawings[:2])
    paths = write_figures(trials, tmp_path / "figures")
    names = {path.name for path in paths}
    assert names == {"curves.csv"} | {
        f"overview-{kind}-column.{ending}" for kind in ("one", "two") for ending in ("svg", "pdf")
    }
    for path in paths:
        if path.suffix == ".svg":
            root = ElementTree.parse(path).getroot()
            assert int(root.get("width")) == round(WIDTHS[path.stem.removeprefix("overview-")] * PIXELS_PER_INCH)
            assert "system-ui" not in path.read_text()
        if path.suffix == ".pdf":
            assert path.read_bytes().startswith(b"%PDF") and path.stat().st_size > 2000


def test_without_a_browser_it_says_so(rng, tmp_path, monkeypatch):
    monkeypatch.setattr(figures.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="--figures: no Chromium or Chrome on the PATH"):
        write_figures(table(rng, sharp, designs=("sweep",)), tmp_path)


def test_a_browser_that_hangs_is_stopped(tmp_path, monkeypatch):
    hanging = tmp_path / "chromium"
    hanging.write_text("#!/bin/sh\nexec sleep 30\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(figures.shutil, "which", lambda name: str(hanging))
    monkeypatch.setattr(figures, "PATIENCE_S", 0.2)
    with pytest.raises(UserError, match="--pdf: .*chromium did not end within 0.2 s; try again"):
        print_pdf("--pdf", tmp_path / "page.html", tmp_path / "page.pdf")


def test_a_page_without_figures_is_an_error():
    with pytest.raises(ValueError, match="drew no figure"):
        read_svgs("<html></html>")
