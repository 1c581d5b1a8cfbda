"""The page: an ordered list of sections, for every metric, in one self-contained HTML file."""

import json
import zlib
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from plotly.offline import get_plotlyjs

from reports.comparison import SameVerdict, SideBySide, together
from reports.designs import with_metric
from reports.facts import StudyFacts
from reports.judging import VERDICTS
from reports.methods import METHODS, covered
from reports.packed import columns, packed
from reports.remembered import remembering
from reports.sections import SECTIONS
from reports.sections.base import Section
from reports.style import DARK, looks
from reports.table import DESIGNS, IMAGES, STATES, facts_of
from reports.unfinished import unfinished
from reports.words import SIGNED, counted, listed, number

LONG_TABLE = 30
WHOLE = 36
"""Characters of a table cell that is not broken into lines."""
NUM_SENTENCES = 5
"""A longer answer is folded away from its second paragraph on, or from here."""
FEW = 10
"""Validation positives below which a threshold chosen on them costs several points of F1."""


def sections(table: pd.DataFrame) -> list[Section]:
    """The sections that apply to a study, in the order of SECTIONS."""
    return [section for kind in SECTIONS.values() for section in kind.of(table)]


def write_report(
    table: pd.DataFrame, path: Path, *others: pd.DataFrame, seed: int = 0, runs: str | None = None
) -> None:
    """Write the report of a trial table, or the comparison of several. The same tables and seed give the same bytes.

    `runs` is the address of a trial's MLflow run, with `{trial_id}` in it. Raises ValueError for studies without a
    metric in common.
    """
    path.write_text(render(table, *others, seed=seed, runs=runs), encoding="utf-8")


def render(table: pd.DataFrame, *others: pd.DataFrame, seed: int = 0, runs: str | None = None) -> str:
    """The whole page as text."""
    table = remembering(table, facts_of(table))
    shown: list[Section] = sections(table)
    if others:
        shown = [SideBySide((table, *others)), SameVerdict((table, *others))]
        table = together([table, *others])
    environment = Environment(
        loader=PackageLoader("reports", ""), autoescape=select_autoescape(), undefined=StrictUndefined
    )
    environment.filters["cell"] = _cell
    environment.globals["few"] = FEW
    study = facts_of(table)
    by_metric = {metric: with_metric(table, metric) for metric in study.headlines}
    parts = [_part(section, by_metric, seed) for section in shown]
    colours = {loss: colour for loss, (colour, _) in looks(study.losses).items()}
    settings = {"name": study.name, "losses": list(study.losses), "dark": DARK, "runs": runs}
    return environment.get_template("page.html").render(
        study=study,
        header=_header(table),
        metrics={name: study.measures[name].title for name in study.headlines},
        colours=colours,
        dark=DARK,
        methods=METHODS,
        covered=covered(study, any(column.startswith(IMAGES) for column in table.columns)),
        parts=parts,
        settings=_script(json.dumps(settings)),
        figures=packed({p["key"]: p["figures"] for p in parts if p["figures"]}),
        trials=packed(columns(table)),
        style=files("reports").joinpath("page.css").read_text(encoding="utf-8"),
        script=files("reports").joinpath("page.js").read_text(encoding="utf-8"),
        plotly=get_plotlyjs(),
    )


def _part(section: Section, by_metric: dict[str, pd.DataFrame], seed: int) -> dict[str, Any]:
    """A section under every metric: the reader switches, nothing is computed in the browser."""
    figures, answers, tables = {}, {}, {}
    for metric, table in by_metric.items():
        rng = np.random.default_rng([seed, zlib.crc32(f"{section.key} {metric}".encode())])
        info = section.compute(table, rng)
        drawn, rows = section.draw(info), section.rows(info)
        if drawn is not None:
            figures[metric] = drawn.to_json()
        answers[metric] = _folded(section.answer(info))
        tables[metric] = rows
    figures = _once(figures)
    return {
        "key": section.key,
        "title": section.title,
        "question": section.question,
        "figures": figures,
        "captions": {metric: _caption(section, facts_of(table), figures) for metric, table in by_metric.items()},
        "answers": answers,
        "tables": tables,
        "long": any(rows is not None and len(rows) > LONG_TABLE for rows in tables.values()),
    }


def _once(figures: dict[str, Any]) -> dict[str, Any]:
    """Figures by metric; a single one under "" where all are equal, as pictures are."""
    first = next(iter(figures.values()), None)
    return {"": first} if len(figures) > 1 and all(one == first for one in figures.values()) else figures


def _folded(answer: str) -> dict[str, list[str]]:
    """The sentences of an answer that are shown, and more of them."""
    first, _, rest = answer.partition("\n\n")
    lead, more = first.split("\n"), rest.split("\n") if rest else []
    if len(lead) + len(more) <= NUM_SENTENCES:
        return {"shown": lead + more, "more": []}
    return {"shown": lead[:NUM_SENTENCES], "more": lead[NUM_SENTENCES:] + more}


def _caption(section: Section, study: StudyFacts, figures: dict[str, Any]) -> str:
    """A figure's caption as a paper would print it; one that is the same for all metrics shows none of them."""
    scored = "" if "" in figures else f" Score: {study.title} on test, margin {study.margin:g}."
    return (
        f"{section.title}. {section.question}{scored} Study {study.name}: {study.data.name}, "
        f"{counted(len(study.seeds), 'seed')}; evenkeel."
    )


def _header(table: pd.DataFrame) -> dict[str, Any]:
    """What ran: counts of every state and design, data, what was held fixed, versions."""
    study = facts_of(table)
    data, planned = study.data, sum(sum(designs.values()) for designs in study.planned.values())
    counts = {state: int((table.state == state).sum()) for state in STATES}
    return {
        "counts": counts | {"missing": max(0, planned - len(table))},
        "designs": {design: int((table.design == design).sum()) for design in DESIGNS},
        "data": f"{data.name}: {len(data.classes)} classes, "
        + ", ".join(f"{num:,} {name}" for name, num in data.rows.items())
        + (f"; {data.skipped}" if data.skipped else ""),
        "groups": ", ".join(f"{len(members)} {name}" for name, members in data.groups.items()),
        "undefined": {name: classes for name, classes in data.undefined.items() if classes},
        "rare": [name for name, num in zip(data.classes, data.positives.get("val", ()), strict=False) if 0 < num < FEW],
        "unfinished": listed([f"{loss} {number(rise, SIGNED)}" for loss, rise in unfinished(table)]),
        "fixed": {label: facts.fixed for label, facts in study.losses.items() if facts.fixed},
        "hours": float(table.wall_s.sum()) / 3600,
        "versions": sorted(set(table.versions)),
    }


def _script(text: str) -> str:
    """JSON that may stand inside a script element, whatever text it holds."""
    return text.replace("<", "\\u003c")


def _cell(value: object) -> dict[str, Any]:
    """A table cell: the first of `verdict|text|text` colours it; a verdict alone is coloured text."""
    first, *rest = str(value).split("|")
    coloured = first in VERDICTS
    lines = rest if coloured and rest else [str(value)]
    longest = max(map(len, lines))
    return {
        "kind": first if coloured else "",
        "style": f"{first.replace(' ', '-') if coloured else ''} {'long' if longest > WHOLE else 'whole'}".strip(),
        "lines": lines,
        "headed": bool(rest),
    }
