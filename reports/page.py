"""The page: an ordered list of sections, for every metric, in one self-contained HTML file."""

import json
import zlib
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.io
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from plotly.offline import get_plotlyjs

from reports.designs import with_metric
from reports.judging import VERDICTS
from reports.sections import SECTIONS
from reports.sections.base import Section
from reports.table import DESIGNS, IMAGES, STATES, facts_of

LONG_TABLE = 30


def sections(table: pd.DataFrame) -> list[Section]:
    """The sections that apply to a study, in the order of SECTIONS."""
    return [section for kind in SECTIONS.values() for section in kind.of(table)]


def write_report(table: pd.DataFrame, path: Path, *, seed: int = 0) -> None:
    """Write the report of a trial table. The same table and seed give the same bytes."""
    path.write_text(render(table, seed=seed), encoding="utf-8")


def render(table: pd.DataFrame, *, seed: int = 0) -> str:
    """The whole page as text."""
    environment = Environment(
        loader=PackageLoader("reports", ""), autoescape=select_autoescape(), undefined=StrictUndefined
    )
    environment.filters["cell"] = _cell
    study = facts_of(table)
    parts = [_part(section, table, seed) for section in sections(table)]
    return environment.get_template("page.html").render(
        study=study,
        header=_header(table),
        metrics={name: study.measures[name].title for name in study.headlines},
        parts=parts,
        figures=_script(json.dumps({p["key"]: p["figures"] for p in parts if p["figures"]}, sort_keys=True)),
        csv=_script(_csv(table)),
        style=files("reports").joinpath("page.css").read_text(encoding="utf-8"),
        script=files("reports").joinpath("page.js").read_text(encoding="utf-8"),
        plotly=get_plotlyjs(),
    )


def _part(section: Section, table: pd.DataFrame, seed: int) -> dict[str, Any]:
    """A section under every metric: the reader switches, nothing is computed in the browser."""
    figures, answers, tables = {}, {}, {}
    for metric in facts_of(table).headlines:
        rng = np.random.default_rng([seed, zlib.crc32(f"{section.key} {metric}".encode())])
        info = section.compute(with_metric(table, metric), rng)
        drawn, rows = section.draw(info), section.rows(info)
        if drawn is not None:
            figures[metric] = json.loads(plotly.io.to_json(drawn))
        answers[metric] = section.answer(info)
        tables[metric] = rows
    return {
        "key": section.key,
        "title": section.title,
        "question": section.question,
        "figures": figures,
        "answers": answers,
        "tables": tables,
        "long": any(rows is not None and len(rows) > LONG_TABLE for rows in tables.values()),
    }


def _header(table: pd.DataFrame) -> dict[str, Any]:
    """What ran: counts of every state and design, data, what was held fixed, versions."""
    study = facts_of(table)
    data, planned = study.data, sum(sum(designs.values()) for designs in study.planned.values())
    counts = {state: int((table.state == state).sum()) for state in STATES}
    return {
        "counts": counts | {"missing": max(0, planned - len(table))},
        "designs": {design: int((table.design == design).sum()) for design in DESIGNS},
        "data": f"{data.name}: {len(data.classes)} classes, "
        + ", ".join(f"{num:,} {name}" for name, num in data.rows.items()),
        "groups": ", ".join(f"{len(members)} {name}" for name, members in data.groups.items()),
        "undefined": {name: classes for name, classes in data.undefined.items() if classes},
        "fixed": {label: facts.fixed for label, facts in study.losses.items() if facts.fixed},
        "hours": float(table.wall_s.sum()) / 3600,
        "versions": sorted(set(table.versions)),
        "images": any(column.startswith(IMAGES) for column in table.columns),
    }


def _csv(table: pd.DataFrame) -> str:
    """All trials, without the arrays."""
    return table.loc[:, ~table.columns.str.startswith(IMAGES)].to_csv(index=False, float_format="%.6g")


def _script(text: str) -> str:
    """Text that may stand inside a script element."""
    return text.replace("</", "<\\/").replace("<!--", "<\\!--")


def _cell(value: object) -> dict[str, Any]:
    """A table cell: the first of `verdict|text|text` colours it; a verdict alone is coloured text."""
    first, *rest = str(value).split("|")
    coloured = first in VERDICTS
    return {
        "kind": first if coloured else "",
        "style": first.replace(" ", "-") if coloured else "",
        "lines": rest if coloured and rest else [str(value)],
        "headed": bool(rest),
    }
