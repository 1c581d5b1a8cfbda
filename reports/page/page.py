"""The page: an ordered list of sections, for every metric, in one self-contained HTML file."""

import json
import os
import zlib
from collections.abc import Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from evenkeel.reports.facts import StudyFacts
from evenkeel.reports.figures.style import DARK, looks
from evenkeel.reports.page.comparison import SameVerdict, SideBySide, Studies, by_name, together
from evenkeel.reports.page.payload import Columns, packed, packed_plotly
from evenkeel.reports.sections import SECTIONS
from evenkeel.reports.sections.answer import VERDICT_SIGNS
from evenkeel.reports.sections.base import Section
from evenkeel.reports.sections.joint_profile import JointProfile
from evenkeel.reports.sections.joint_setting import JointSetting
from evenkeel.reports.sections.joint_verdict import JointVerdict
from evenkeel.reports.table.designs import is_validated, with_metric
from evenkeel.reports.table.machines import machine_notes
from evenkeel.reports.table.memo import with_cache
from evenkeel.reports.table.trial_table import DESIGNS, IMAGES, STATES, facts_of
from evenkeel.reports.text.methods import METHODS, METHODS_OVER_SETS, covered
from evenkeel.reports.text.wording import SIGNED, listed, number, of_methods, some_of
from evenkeel.reports.verdict.convergence import unfinished
from evenkeel.reports.verdict.looks import decided_part, num_planned
from evenkeel.reports.verdict.verdict import VERDICTS

OF_SEVERAL = (JointVerdict, SideBySide, JointProfile, SameVerdict, JointSetting)
LONG_TABLE_ROWS = 30
MAX_UNBROKEN_CHARACTERS = 36
"""Characters of a table cell that is not broken into lines."""
MAX_CLASSES_NAMED = 8
MAX_SENTENCES = 5
"""A longer answer is folded away from its second paragraph on, or from here."""
NOT_VALIDATED = (
    "There are no validation scores, so that there are no tuned thresholds, no best settings and no tolerance, which "
    "are chosen by them, and it is not known whether training had ended"
)
FEW_POSITIVES = 10
"""Validation positives below which a threshold chosen on them costs several points of F1."""


def sections(table: pd.DataFrame) -> list[Section]:
    """The sections that apply to a study, in the order of SECTIONS."""
    return [section for kind in SECTIONS for section in kind.for_study(table)]


def write_report(
    table: pd.DataFrame, path: Path, *more_tables: pd.DataFrame, seed: int = 0, runs: Sequence[str | None] = ()
) -> None:
    """Write the report of a trial table, or the comparison of several. The same tables and seed give the same bytes.

    `runs` are, for each table, the address of a trial's MLflow run, with `{trial_id}` in it. Raises ValueError for
    studies without a metric in common.
    """
    page = render(table, *more_tables, seed=seed, runs=runs)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")  # renamed: whoever put a link there gains nothing
    temporary.write_text(page, encoding="utf-8")
    temporary.replace(path)


def render(table: pd.DataFrame, *more_tables: pd.DataFrame, seed: int = 0, runs: Sequence[str | None] = ()) -> str:
    """The whole page as text."""
    studies = by_name(decided_part(with_cache(each, facts_of(each))) for each in (table, *more_tables))
    if more_tables:
        to_show: list[Section] = [kind(studies=studies) for kind in OF_SEVERAL]
        table = together(studies)
    else:
        (table,) = studies.values()
        to_show = sections(table)
    environment = Environment(
        loader=PackageLoader("evenkeel.reports.page", ""), autoescape=select_autoescape(), undefined=StrictUndefined
    )
    environment.filters["cell"] = _cell
    environment.filters["some"] = partial(some_of, most=MAX_CLASSES_NAMED)
    environment.globals["few"] = FEW_POSITIVES
    study = facts_of(table)
    environment.filters["worded"] = partial(of_methods, names=study.names) if study.of_methods else str
    metrics = _scored_metrics(table)
    by_metric = {metric: with_metric(table, metric) for metric in metrics}
    parts = [_part(section, by_metric, seed) for section in to_show]
    colours = {loss: colour for loss, (colour, _) in looks(study.losses).items()}
    settings = {"name": study.name, "losses": list(study.losses), "dark": DARK}
    settings["runs"] = {name: address for name, address in zip(studies, runs, strict=False) if address}
    return environment.get_template("page.html").render(
        study=study,
        header=_header(table, studies),
        metrics={name: study.measures[name].title for name in metrics},
        colours=colours,
        dark=DARK,
        methods=METHODS + METHODS_OVER_SETS if more_tables else METHODS,
        signs=VERDICT_SIGNS,
        covered=_covered(studies),
        parts=parts,
        settings=_script(json.dumps(settings)),
        figures=packed({p["key"]: p["figures"] for p in parts if p["figures"]}),
        trials=packed(Columns(table)),
        style=files("evenkeel.reports.page").joinpath("page.css").read_text(encoding="utf-8"),
        script=files("evenkeel.reports.page").joinpath("page.js").read_text(encoding="utf-8"),
        plotly=packed_plotly(),
    )


def _scored_metrics(table: pd.DataFrame) -> list[str]:
    """The metrics that the page can be switched to: those that any trial has, and the study's own."""
    study = facts_of(table)
    scored = [name for name in study.headlines if table[f"test_{name}"].notna().any()]
    return [name for name in study.headlines if name in scored or name == study.metric] if scored else study.headlines


def _part(section: Section, by_metric: dict[str, pd.DataFrame], seed: int) -> dict[str, Any]:
    """A section under every metric: the reader switches, nothing is computed in the browser."""
    figures, answers, tables, more = {}, {}, {}, {}
    for metric, table in by_metric.items():
        rng = np.random.default_rng([seed, zlib.crc32(f"{section.key} {metric}".encode())])
        info = section.compute(table, rng)
        drawn, rows = section.draw(info), section.rows(info)
        if drawn is not None:
            figures[metric] = drawn.to_json()
        answers[metric] = _folded(section.answer(info))
        tables[metric], folded = _in_two(rows)
        if folded is not None:
            more[metric] = folded
    figures = _once(figures)
    return {
        "key": section.key,
        "title": section.title,
        "question": section.question,
        "figures": figures,
        "captions": {metric: _caption(section, facts_of(table), figures) for metric, table in by_metric.items()},
        "answers": answers,
        "tables": tables,
        "more": more,
        "long": any(rows is not None and len(rows) > LONG_TABLE_ROWS for rows in tables.values()),
    }


def _in_two(rows: pd.DataFrame | None) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """A table, and the columns that a section puts behind `more` (the first of them), beside its first column."""
    if rows is None or "more" not in rows.attrs:
        return rows, None
    start = rows.columns.get_loc(rows.attrs["more"])
    return rows.iloc[:, :start], pd.concat([rows.iloc[:, :1], rows.iloc[:, start:]], axis=1)


def _once(figures: dict[str, Any]) -> dict[str, Any]:
    """Figures by metric; a single one under "" where all are equal, as pictures are."""
    first = next(iter(figures.values()), None)
    return {"": first} if len(figures) > 1 and all(figure == first for figure in figures.values()) else figures


def _folded(answer: str) -> dict[str, list[str]]:
    """The sentences of an answer that are shown, and more of them."""
    first, _, remainder = answer.partition("\n\n")
    lead, more = first.split("\n"), remainder.split("\n") if remainder else []
    if len(lead) + len(more) <= MAX_SENTENCES:
        return {"shown": lead + more, "more": []}
    return {"shown": lead[:MAX_SENTENCES], "more": lead[MAX_SENTENCES:] + more}


def _caption(section: Section, study: StudyFacts, figures: dict[str, Any]) -> str:
    """A figure's caption as a paper would print it; one that is the same for all metrics shows none of them."""
    margin = f", margin {study.margins[study.metric]:g}" if study.metric in study.margins else ""
    scored = "" if "" in figures else f" Score: {study.title} on test{margin}."
    seeds = f", {study.seeds_in_words}" if study.seeds else ""
    return f"{section.title}. {section.question}{scored} Study {study.name}: {study.data.title}{seeds}; evenkeel."


def _covered(studies: Studies) -> list[str]:
    """What intervals hold: once where it is the same for all studies, else a paragraph a study."""
    images = {name: any(column.startswith(IMAGES) for column in table.columns) for name, table in studies.items()}
    texts = {name: covered(facts_of(table), images[name]) for name, table in studies.items()}
    return (
        list(texts.values())[:1]
        if len(set(texts.values())) == 1
        else [f"{name}: {text}" for name, text in texts.items()]
    )


def _header(table: pd.DataFrame, studies: Studies) -> dict[str, Any]:
    """What ran: counts of every state and design, data, what is to be noted, versions."""
    study = facts_of(table)
    counts = {state: int((table.state == state).sum()) for state in STATES}
    return {
        "counts": counts | {"missing": max(0, num_planned(table) - len(table))},
        "designs": {design: int((table.design == design).sum()) for design in DESIGNS},
        "data": study.data.words if len(studies) == 1 else study.data.title,
        "hours": float(table.wall_s.sum()) / 3600,
        "versions": sorted(set(table.versions)),
        **_notes(studies),
    }


def _notes(studies: Studies) -> dict[str, Any]:
    """What is odd in the data and in training, and what was held fixed; of which study where there are several."""
    undefined: dict[str, Sequence[str]] = {}
    fixed: dict[str, dict[str, Any]] = {}
    rare, rose, unvalidated = [], [], []
    for name, table in studies.items():
        study, prefix = facts_of(table), f"{name}: " if len(studies) > 1 else ""
        undefined |= {f"{prefix}{split}": classes for split, classes in study.data.undefined.items() if classes}
        positives = zip(study.data.classes, study.data.positives.get("val", ()), strict=False)
        rare += [f"{prefix}{label}" for label, num in positives if 0 < num < FEW_POSITIVES]
        unvalidated += [] if is_validated(table) else [f"{prefix}{NOT_VALIDATED}"]
        rose += [f"{prefix}{loss} {number(rise, SIGNED)}" for loss, rise in unfinished(table)]
        fixed |= {f"{prefix}{label}": facts.fixed for label, facts in study.losses.items() if facts.fixed}
    machines = machine_notes((f"{name}: " if len(studies) > 1 else "", table) for name, table in studies.items())
    return {
        "undefined": undefined,
        "rare": rare,
        "unfinished": listed(rose),
        "fixed": fixed,
        "notes": [*unvalidated, *machines],
    }


def _script(text: str) -> str:
    """JSON that may stand inside a script element, whatever text it holds."""
    return text.replace("<", "\\u003c")


def _cell(value: object) -> dict[str, Any]:
    """A table cell: the first of `verdict|text|text` colours it; a verdict alone is coloured text."""
    first, *further = str(value).split("|")
    coloured = first in VERDICTS
    lines = further if coloured and further else [str(value)]
    longest = max(map(len, lines))
    css_class = first.replace(",", "").replace(" ", "-") if coloured else ""
    return {
        "kind": first if coloured else "",
        "style": f"{css_class} {'long' if longest > MAX_UNBROKEN_CHARACTERS else 'whole'}".strip(),
        "lines": lines,
        "headed": bool(further),
    }
