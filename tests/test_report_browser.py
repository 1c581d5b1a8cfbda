"""The page in a real browser: figures are drawn, the switch works, nothing is fetched."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from reports.page import render
from study.cli import main
from tests.synthetic import table
from tests.test_sections import sharp

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--virtual-time-budget=8000"]  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")]


@pytest.fixture(scope="module")
def page() -> str:
    return render(table(np.random.default_rng(0), sharp))


def browse(tmp_path: Path, html: str, *more: str) -> str:
    path = tmp_path / "report.html"
    path.write_text(html)
    command = [str(BROWSER), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", *more, path.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def test_figures_are_drawn_and_sentences_shown(page, tmp_path):
    dom = browse(tmp_path, page, "--dump-dom", "--host-resolver-rules=MAP * ~NOTFOUND")
    holders = re.findall(r'class="figure js-plotly-plot"', dom)
    assert len(holders) == 7  # defaults, three hyperparameters, tolerance, profile, tuned
    assert dom.count("main-svg") >= len(holders)
    assert "ral is steady in clip and hill_lambda and is sensitive in gamma_neg" in dom


def test_the_metric_switch_redraws(page, tmp_path):
    probe = """<script>addEventListener("load", () => {
      document.querySelector('input[value="map"]').click();
      const shown = [...document.querySelectorAll(".answer")].filter((p) => p.offsetParent);
      document.title = document.body.dataset.metric + " " + shown.length + " " +
        new Set(shown.map((p) => p.dataset.for)).size + " " +
        document.querySelector("[data-figure]").layout.yaxis.title.text;
    })</script></body>"""
    dom = browse(tmp_path, page.replace("</body>", probe), "--dump-dom")
    assert re.search(r"<title>map 10 1 mAP", dom)


def test_a_screenshot_and_a_print_are_made(page, tmp_path):
    browse(tmp_path, page, "--window-size=1280,3000", f"--screenshot={tmp_path / 'page.png'}")
    browse(tmp_path, page, f"--print-to-pdf={tmp_path / 'page.pdf'}")
    assert (tmp_path / "page.png").stat().st_size > 50_000
    assert (tmp_path / "page.pdf").stat().st_size > 50_000


def test_the_page_of_a_loss_is_drawn(tmp_path):
    assert main(["losses", "ral", "--plot", str(tmp_path / "ral.html")]) == 0
    dom = browse(tmp_path, (tmp_path / "ral.html").read_text(), "--dump-dom", "--host-resolver-rules=MAP * ~NOTFOUND")
    assert len(re.findall(r'class="figure js-plotly-plot"', dom)) == 9
