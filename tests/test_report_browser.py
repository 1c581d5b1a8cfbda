"""The page in a real browser: drawn, readable at every width, usable by keyboard, alive with any text, offline."""

import csv
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from evenkeel.reports.page.page import render
from evenkeel.reports.page.standalone import alone
from evenkeel.reports.table.designs import sweep_of
from evenkeel.reports.table.trial_table import facts_of, with_facts
from evenkeel.study.cli import main
from evenkeel.study.tracking.attachments import draw_sensitivity
from tests.synthetic import table
from tests.test_sections import diverge, sharp

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
HOSTILE = "<!--</script><script>document.title='broken'</script> \" ' \\ &amp; \u202eright to left\u2028"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")]


@pytest.fixture(scope="module")
def trials():
    return table(np.random.default_rng(0), sharp)


@pytest.fixture(scope="module")
def report(trials, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(trials, runs=["http://tracking.example/#/runs?id={trial_id}"]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


def opened(browser: Browser, path: Path, width: int = 1200, drawn: str = "document.body.dataset.drawn", **how) -> Page:
    """The page once its figures are drawn; anything it says on the console or asks of the network fails the test."""
    how = {"bypass_csp": True} | how  # the test's own expressions are evaluated in the page
    page = browser.new_page(viewport={"width": width, "height": 900}, **how)
    page.said = []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda request: request.url.startswith(("file:", "blob:")) or page.said.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_function(drawn, timeout=120_000)
    return page


def redrawn(page: Page) -> None:
    """Waits for the figures after a switch."""
    before = page.evaluate("document.body.dataset.drawn")
    page.wait_for_function(f"document.body.dataset.drawn > {before}", timeout=120_000)


def test_the_page_opens_with_the_answer(browser, report):
    page = opened(browser, report)
    assert not page.said
    assert page.locator("main section").first.get_attribute("id") == "answer"
    for part in ("#answer .answer", "#answer table", "#ranking table"):
        box = page.locator(f"{part}:visible").first.bounding_box()
        assert box["y"] + box["height"] < 900, f"{part} is not on the first screen"
    drawn = page.locator("figure[data-figure] .js-plotly-plot").count()
    assert drawn == page.locator("figure[data-figure]").count() >= 10  # overview, forest, 3 curves and more
    assert "ral is steady in clip and hill_lambda and is sensitive in gamma_neg" in page.content()
    assert page.locator("#verdicts .answer").first.inner_text().count("\n") < 5
    page.close()


TEXTS = """() => [...document.querySelectorAll('.plot')].flatMap((plot) => {
  const boxes = [...plot.querySelectorAll('.main-svg text')].filter((t) => t.textContent.trim()).map((t) => {
    const {left, right, top, bottom} = t.getBoundingClientRect();
    return {text: t.textContent, left, right, top, bottom};
  }).filter((b) => b.right > b.left);
  const frame = plot.getBoundingClientRect(), bad = [];
  boxes.forEach((a, i) => {
    if (a.left < frame.left - 1 || a.right > frame.right + 1) bad.push([a.text, 'leaves the figure']);
    for (const b of boxes.slice(i + 1))
      if (a.left + 1 < b.right && b.left + 1 < a.right && a.top + 1 < b.bottom && b.top + 1 < a.bottom)
        bad.push([a.text, b.text]);
  });
  return bad.map((pair) => [plot.closest('figure').dataset.figure, ...pair]);
})"""


@pytest.mark.parametrize("width", [1200, 400])
def test_nothing_overlaps(browser, report, width):
    page = opened(browser, report, width)
    assert page.evaluate(TEXTS) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_metric_view_and_losses_switch_the_whole_page(browser, report):
    page = opened(browser, report)
    page.get_by_text("mAP", exact=True).click()
    redrawn(page)
    assert page.evaluate("document.querySelector('#defaults .plot').layout.yaxis.title.text").startswith("mAP")
    metrics = "[...document.querySelectorAll('[data-for]')].filter((p) => p.offsetParent).map((p) => p.dataset.for)"
    assert set(page.evaluate(metrics)) == {"map"}
    shown = "document.querySelector('#overview .plot').data.filter((t) => t.visible).map((t) => t.meta.view)"
    assert set(page.evaluate(shown)) == {"difference from default"}
    page.get_by_text("naive difference from best").first.click()
    assert set(page.evaluate(shown)) == {"naive difference from best"}
    page.locator("input[name=loss][value=ral]").uncheck(force=True)
    redrawn(page)
    visible = (
        "[...document.querySelectorAll('.plot')].flatMap((p) => p.data.filter((t) => t.visible)"
        ".flatMap((t) => [t.name, t.meta?.loss]))"
    )
    assert "apl" in page.evaluate(visible) and "ral" not in page.evaluate(visible)
    traces = "document.querySelector('[data-figure=sensitivity-clip] .plot').data.filter((t) => t.visible)"
    assert not any("ral" in hover for hover in page.evaluate(f"{traces}.map((t) => t.hovertemplate ?? '')"))
    legend = page.locator("[data-figure=sensitivity-clip] .legendtext").all_text_contents()
    assert legend[0] == "apl" and legend[1].startswith("naive") and len(legend) == 4
    assert not page.locator('[data-loss="ral"]:visible').count() and page.locator('[data-loss="apl"]:visible').count()
    said = "[...document.querySelectorAll('#verdicts .answer span')].filter((s) => !s.hidden).map((s) => s.textContent)"
    assert not any(line.startswith("ral ") for line in page.evaluate(said)), "a sentence on a loss that is off"
    assert any(line.startswith("apl ") for line in page.evaluate(said))
    page.locator("input[name=loss][value=ral]").check(force=True)
    assert any(line.startswith("ral ") for line in page.evaluate(said))
    page.close()


def test_any_text_leaves_the_page_alive(browser, tmp_path, rng):
    trials = table(rng, sharp, change=diverge)
    study = facts_of(trials)
    losses = {HOSTILE if label == "ral" else label: facts for label, facts in study.losses.items()}
    trials = trials.assign(loss=trials.loss.replace("ral", HOSTILE), note=trials.note.where(trials.note == "", HOSTILE))
    planned = {HOSTILE if label == "ral" else label: counts for label, counts in study.planned.items()}
    trials = with_facts(trials, replace(study, losses=losses, planned=planned, name=HOSTILE, description=HOSTILE))
    path = tmp_path / "report.html"
    path.write_text(render(trials), encoding="utf-8")
    page = opened(browser, path)
    assert not page.said and page.title().startswith("<!--</script>")
    assert page.locator(".js-plotly-plot").count() == page.locator("figure[data-figure]").count() > 5
    with page.expect_download() as waiting:
        page.get_by_text("Download all trials").click()
    rows = list(csv.DictReader(waiting.value.path().read_text(encoding="utf-8").splitlines(keepends=True)))
    assert len(rows) == len(trials) and HOSTILE in {row["loss"] for row in rows}
    page.close()


def test_downloads_hold_what_is_shown(browser, report, trials):
    page = opened(browser, report)
    with page.expect_download() as waiting:
        page.get_by_text("Download all trials").click()
    rows = {row["trial_id"]: row for row in csv.DictReader(waiting.value.path().read_text().splitlines())}
    assert len(rows) == len(trials)
    assert [float(rows[i]["test_f1"]) for i in trials.trial_id] == pytest.approx(trials.test_f1.tolist(), abs=5.1e-6)
    with page.expect_download() as waiting:
        page.locator("#overview [data-save=csv]").click()
    points = list(csv.DictReader(waiting.value.path().read_text().splitlines()))
    worst = next(p for p in points if (p["series"], p["x"], p["view"]) == ("ral", "12", "difference from default"))
    assert float(worst["y"]) == pytest.approx(-0.16, abs=0.01) and float(worst["low"]) < float(worst["y"])
    with page.expect_download() as waiting:
        page.locator("[data-figure=sensitivity-clip] [data-save=csv]").click()
    points = list(csv.DictReader(waiting.value.path().read_text().splitlines()))
    assert {p["loss"] for p in points if p["series"].startswith("naive")} == {"apl", "ral"}
    sweep = sweep_of(trials, "ral", "clip")
    seen = {(float(p["x"]), p["point"]): float(p["y"]) for p in points if p["loss"] == "ral" and "seed" in p["point"]}
    for (k, x), r in product(enumerate(sweep.levels), range(6)):
        assert seen[x, f"seed {r}"] == pytest.approx(sweep.differences_LS[k, r], abs=1e-5)
    for kind in ("png", "svg"):
        with page.expect_download() as waiting:
            page.locator(f"#overview [data-save={kind}]").click()
        assert waiting.value.suggested_filename == f"synthetic-overview-f1.{kind}"
    page.close()


def test_trials_are_found_and_link_to_their_runs(browser, report):
    page = opened(browser, report)
    page.locator("#find").fill("ral sweep clip")
    page.wait_for_function("document.getElementById('found').textContent")
    assert page.locator("#found").inner_text() == "24 found"
    link = page.locator("#trial-rows a").first
    assert link.get_attribute("href") == f"http://tracking.example/#/runs?id={link.inner_text()}"
    page.close()


def test_a_comparison_links_the_trials_of_each_study(browser, trials, tmp_path):
    other = with_facts(trials, replace(facts_of(trials), name="other"))
    (tmp_path / "both.html").write_text(render(trials, other, runs=[None, "http://b.example/{trial_id}"]))
    page = opened(browser, tmp_path / "both.html")
    page.locator("#find").fill("ral sweep clip other")
    page.wait_for_function("document.getElementById('found').textContent")
    assert page.locator("#found").inner_text() == "24 found"
    assert page.locator("#trial-rows a").first.get_attribute("href").startswith("http://b.example/")
    page.locator("#find").fill("ral sweep clip synthetic")
    page.wait_for_function("!document.querySelector('#trial-rows a')")
    assert page.locator("#found").inner_text() == "24 found" and not page.said
    page.close()


def test_keyboard_and_screen_reader(browser, report):
    page = opened(browser, report)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the answer"
    page.keyboard.press("Enter")
    for _ in range(60):  # past the links of the answer
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "view-overview":
            break
    assert page.evaluate("document.activeElement.name") == "view-overview"
    page.keyboard.press("ArrowRight")
    assert "cross-fitted" in page.evaluate("document.querySelector('#overview .plot').layout.title.text")
    assert page.get_by_role("main").count() == page.get_by_role("navigation").count() == 1
    named = "all => all.every((e) => e.labels?.length || e.ariaLabel || e.textContent.trim())"
    assert page.eval_on_selector_all("input, button, [role=img], section", named)
    page.evaluate("document.getElementById('profile').scrollIntoView()")
    page.wait_for_function("document.querySelector('.contents [aria-current]').hash === '#profile'")
    page.set_viewport_size({"width": 1200, "height": 300})  # fewer lines than there are contents
    page.evaluate("document.getElementById('methods').scrollIntoView()")
    page.wait_for_function("document.querySelector('.contents [aria-current]').hash === '#methods'")
    inside = "document.querySelector('.contents [aria-current]').getBoundingClientRect()"
    assert page.evaluate(f"{inside}.top") > 0 and page.evaluate(f"{inside}.bottom") < 300
    page.close()


def test_dark_print_and_screenshot(browser, report, tmp_path):
    page = opened(browser, report, color_scheme="dark")
    ink = "getComputedStyle(document.querySelector('#overview .xtick text')).fill"
    assert page.evaluate(ink) == "rgb(229, 231, 235)"
    dot = "getComputedStyle(document.querySelector('.losses [value=apl] + span i')).backgroundColor"
    assert page.evaluate(dot) == "rgb(86, 168, 224)"
    page.screenshot(path=tmp_path / "page.png")
    page.pdf(path=tmp_path / "page.pdf")
    assert (tmp_path / "page.png").stat().st_size > 50_000 and (tmp_path / "page.pdf").stat().st_size > 50_000
    page.close()


def test_print_holds_what_the_screen_folds_or_scrolls(browser, report):
    page = opened(browser, report, width=720)
    assert page.locator("details:not([open])").count()
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert not page.locator("details:not([open])").count()
    wide = "[...document.querySelectorAll('main table')].filter((t) => t.offsetWidth > t.parentElement.clientWidth + 1)"
    assert page.evaluate(f"{wide}.map((t) => t.closest('section').id)") == []
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count()
    page.close()


def test_a_caption_tells_what_is_shown(browser, report):
    page = opened(browser, report, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_text("naive difference from best").first.click()
    page.locator("input[name=loss][value=ral]").uncheck(force=True)
    redrawn(page)
    page.locator("#overview [data-save=caption]").click()
    page.wait_for_function("document.querySelector('#overview [data-save=caption]').textContent === 'Copied'")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "Score: macro F1 at 0.5" in copied and copied.endswith("Curves: naive difference from best. Not shown: ral.")
    page.close()


def test_the_page_of_a_loss_is_drawn(browser, tmp_path):
    assert main(["losses", "ral", "--plot", str(tmp_path / "ral.html")]) == 0
    nine = "document.querySelectorAll('.figure.js-plotly-plot').length === 9"
    page = opened(browser, tmp_path / "ral.html", drawn=nine)
    assert not page.said
    page.close()


def test_a_figure_stands_alone(browser, trials, tmp_path):
    """Nothing is asked of the network, and it is drawn in the sandbox in which MLflow shows it."""
    path = tmp_path / "robustness.html"
    path.write_text(alone(draw_sensitivity(trials, "ral"), "robustness"), encoding="utf-8")
    page = opened(browser, path, drawn="document.querySelector('.main-svg')")
    assert not page.said and "gamma_neg" in page.locator("#figure").inner_text()
    frame = tmp_path / "frame.html"
    frame.write_text("<iframe sandbox='allow-scripts' src='robustness.html' width=900 height=600></iframe>")
    page.goto(frame.as_uri())
    page.frame_locator("iframe").locator(".main-svg").first.wait_for()


@pytest.mark.parametrize("kind", ["page", "loss", "figure"])
def test_a_page_loads_nothing_from_outside_whatever_is_smuggled_in(browser, report, trials, tmp_path, kind):
    path = tmp_path / f"{kind}.html"
    if kind == "page":
        path.write_text(report.read_text(encoding="utf-8"), encoding="utf-8")
    elif kind == "loss":
        assert main(["losses", "asl", "--plot", str(path)]) == 0
    else:
        path.write_text(alone(draw_sensitivity(trials, "ral"), "robustness"), encoding="utf-8")
    page, said = browser.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.goto(path.as_uri())
    page.locator(".main-svg").first.wait_for(timeout=120_000)
    assert not said, "its own scripts and styles work under its policy"
    blocked = page.evaluate(
        """() => new Promise((end) => {
          const blocked = new Set(), outside = "http://127.0.0.1:9/";
          document.addEventListener("securitypolicyviolation", (event) => {
            blocked.add(event.effectiveDirective);
            if (blocked.size === 4) end([...blocked].sort());
          });
          document.body.insertAdjacentHTML("beforeend", `<img src="${outside}a.png"><iframe src="${outside}"></iframe>`
            + `<link rel=stylesheet href="${outside}a.css">`);
          fetch(outside).catch(() => 0);
        })"""
    )
    assert blocked == ["connect-src", "frame-src", "img-src", "style-src-elem"]
    page.close()
