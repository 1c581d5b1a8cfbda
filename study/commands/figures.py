"""`evenkeel report --figures DIR`: every figure as SVG and PDF in the widths of a paper, and the numbers as CSV."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from evenkeel.study.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
DRAWN_MS = 60_000
"""Time in which a page must have drawn itself; the browser's own clock, which skips what it waits for."""
PATIENCE_S = 120
"""Time by a clock on the wall after which a browser that has not ended is stopped."""


def write_figures(table: "pd.DataFrame", folder: Path) -> list[Path]:
    """Write the figures and tables of a study into a folder, which is made. Raises UserError without a browser."""
    from evenkeel.reports.page.printed import curve_frame, pdf_page, printed_drawings, read_svgs, svg_page

    printed = printed_drawings(table)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [_write(folder / "curves.csv", curve_frame(table).to_csv(index=False))]
    if not printed:
        return paths
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        page = _write(Path(scratch) / "page.html", svg_page(printed))
        try:
            svgs = read_svgs(browse("--figures", page, "--dump-dom"))
        except ValueError as error:
            raise UserError(f"--figures {folder}: {error}") from error
        for figure, svg in zip(printed, svgs, strict=True):
            paths.append(_write(folder / f"{figure.name}.svg", svg))
            source = _write(Path(scratch) / f"{figure.name}.html", pdf_page(svg, figure))
            paths.append(print_pdf("--figures", source, folder / f"{figure.name}.pdf"))
    return paths


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def print_pdf(option: str, page: Path, path: Path) -> Path:
    """Print a page into a PDF. Raises UserError, which names the option, where no browser is found or it fails."""
    path.unlink(missing_ok=True)
    output = browse(option, page, "--no-pdf-header-footer", f"--print-to-pdf={path.resolve()}")
    if not path.exists():
        raise UserError(f"{option}: the browser could not print {path.name} ({output.strip()[-200:]})")
    return path


def browse(option: str, page: Path, *arguments: str) -> str:
    """What a browser without a window writes about a page. Raises UserError where none is found or it does not end."""
    browser = next((program for name in BROWSERS if (program := shutil.which(name))), None)
    if browser is None:
        raise UserError(f"{option}: no Chromium or Chrome on the PATH; install one, or print the page from any browser")
    unsandboxed = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [browser, "--headless", "--disable-gpu", *unsandboxed, f"--user-data-dir={profile}"]
        command += [f"--virtual-time-budget={DRAWN_MS}", *arguments, page.resolve().as_uri()]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
        except subprocess.TimeoutExpired as error:
            raise UserError(
                f"{option}: {browser} did not end within {PATIENCE_S} s; try again, or print the page from any browser"
            ) from error
    return ended.stdout or ended.stderr
