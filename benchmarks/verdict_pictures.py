"""One curve a verdict, as the page draws and judges them, of synthetic studies: docs/verdicts.png.

Run: python -m benchmarks.verdict_pictures docs/verdicts.png
"""

import argparse
import io
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from playwright.sync_api import sync_playwright

from benchmarks.synthetic_truths import Truth, World
from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.page.standalone import alone
from evenkeel.reports.sections.overview import Overview, OverviewNumbers
from evenkeel.reports.text.wording import SIGNED, with_interval
from evenkeel.reports.verdict.family import judgements
from evenkeel.reports.verdict.verdict import FEW_SEEDS, NOT_JUDGED, SENSITIVE, SIZE_OPEN, STEADY, TOO_NOISY
from evenkeel.study.commands.figures import BROWSERS

TRUTHS = {
    STEADY: Truth(losses=1, hyperparameters=1, spread=0.3, changes={(0, 0, 4): -0.3}),
    SENSITIVE: Truth(losses=1, hyperparameters=1, changes={(0, 0, 3): -1.5, (0, 0, 4): -4}),
    SIZE_OPEN: Truth(losses=1, hyperparameters=1, spread=0.5, changes={(0, 0, 3): -0.6, (0, 0, 4): -1.3}),
    TOO_NOISY: Truth(losses=1, hyperparameters=1, spread=2.4, changes={(0, 0, 4): -0.6}),
    FEW_SEEDS: Truth(losses=1, hyperparameters=1, seeds=4, changes={(0, 0, 4): -1}),
    NOT_JUDGED: Truth(losses=1, hyperparameters=1, spread=1, above_floor=0.5),
}
"""Verdict -> a truth that gets it; sizes in margins."""
COLUMNS, WIDTH, NUM_COLOURS = 3, 1160, 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    path = parser.parse_args().path
    picture = Image.open(io.BytesIO(screenshot(alone(verdicts(), "verdicts"))))
    few_colours = picture.convert("RGB").quantize(NUM_COLOURS, method=Image.Quantize.FASTOCTREE)
    few_colours.save(path, optimize=True)


def verdicts() -> Drawing:
    """A frame a verdict; above it what the page says of the worst drop."""
    tables = {verdict: World(truth, np.random.default_rng(1)).table() for verdict, truth in TRUTHS.items()}
    frames = [frame(verdict, table) for verdict, table in tables.items()]
    first = frames[0]
    drawing = Overview().draw(
        first._replace(
            margins=first.margins * len(frames),
            frames=list(TRUTHS),
            symbols={name: symbol for numbers in frames for name, symbol in numbers.symbols.items()},
            log=dict.fromkeys(TRUTHS, False),
            lines=[line for numbers in frames for line in numbers.lines],
            columns=COLUMNS,
        )
    )
    assert drawing is not None
    drawing.update_layout(showlegend=False, title={"text": ""}, margin_t=26)
    return drawing


def frame(verdict: str, table: pd.DataFrame) -> OverviewNumbers:
    """The curve of a study under the name of its verdict, which is the page's own. Raises ValueError for another."""
    (judged,) = judgements(table).values()
    if judged.status != verdict:
        raise ValueError(f"{verdict}: the page says {judged.status}")
    numbers = Overview().compute(table, np.random.default_rng(0))
    lines = [line._replace(name=verdict) for line in numbers.lines]
    return numbers._replace(symbols={verdict: with_interval(judged.drop, SIGNED)}, lines=lines)


def screenshot(page: str) -> bytes:
    """The figure of a page of its own, as PNG."""
    path = next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=path, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": WIDTH, "height": 700})
        opened.set_content(page)
        opened.wait_for_selector(".main-svg")
        return opened.locator("#figure").screenshot()


if __name__ == "__main__":
    main()
