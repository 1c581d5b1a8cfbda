"""The first screen of a page as a picture, as docs/gallery.md shows it.

A Chromium opens the page, waits until figures are drawn, and takes what a window of 1,240 x 880 shows; 256 colours are
enough for it. Run: python -m benchmarks.screenshots PAGE.html PICTURE.png  (needs the extra `dev` and a Chromium)
"""

import argparse
import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
COLOURS = Image.Quantize.MAXCOVERAGE
"""The small dots of the losses keep their colours."""
DRAWN = "document.querySelector('.js-plotly-plot') !== null"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--width", type=int, default=1240)
    parser.add_argument("--height", type=int, default=880)
    options = parser.parse_args()
    screen = first_screen(options.page, options.width, options.height)
    Image.open(io.BytesIO(screen)).convert("RGB").quantize(256, COLOURS).save(options.picture, optimize=True)


def first_screen(page: Path, width: int, height: int) -> bytes:
    """A PNG of the page in a window of so many pixels. Raises RuntimeError without a browser."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise RuntimeError(f"no browser: install one of {', '.join(BROWSERS)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme="light")
        tab.goto(page.resolve().as_uri())
        tab.wait_for_function(DRAWN, timeout=60_000)
        screen = tab.screenshot()
        browser.close()
    return screen


if __name__ == "__main__":
    main()
