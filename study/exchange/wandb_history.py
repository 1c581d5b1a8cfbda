"""W&B's export of histories, a row a step, as a row a run: of each score the last value, as its summary holds."""

import re

import pandas as pd

from evenkeel.study.errors import UserError

STEPS = ("_step", "step", "global_step")
RUNS = ("run_id", "run", "run_name", "name", "id", "_run")
CHART_COLUMN = re.compile(r"(?P<run>.+) - (?P<score>[^-]+?)(?P<spread>__MIN|__MAX)?")
"""A column of a chart's export: `run - score`, with the smallest and largest of each step beside it."""
SETTING = re.compile(r"([A-Za-z][\w.]*)=([^\s,;=]+?)(?=[\s,;_-]*(?:[A-Za-z][\w.]*=|$))")
"""`lr=0.1` in a run's name."""


def runs_of_history(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str], str] | None:
    """A row a run, and how that was understood; None for a table that is no history.

    Raises UserError for the export of a chart whose runs do not say their settings: no verdict could come of it.
    """
    step = next((column for column in frame.columns if str(column).lower() in STEPS), None)
    if step is None:
        return None
    columns = {str(column): match for column in frame.columns if (match := CHART_COLUMN.fullmatch(str(column)))}
    if columns:
        return _of_chart(frame, columns)
    run = next((name for name in RUNS if name in frame and _are_steps(frame, name, str(step))), None)
    return None if run is None else _of_steps(frame, str(step), run)


def _are_steps(frame: pd.DataFrame, run: str, step: str) -> bool:
    """Whether rows of one name are steps of one run: no step twice, one seed. Else the name is that of a method."""
    once = frame[run].duplicated().any() and not frame.duplicated([run, step]).any()
    return bool(once and ("seed" not in frame or (frame.groupby(run)["seed"].nunique() <= 1).all()))


def _of_steps(frame: pd.DataFrame, step: str, run: str) -> tuple[pd.DataFrame, list[str], str]:
    last = frame.sort_values(step, kind="stable").groupby(run, sort=False).last().reset_index()
    note = f"history: {len(frame):,} steps of {len(last):,} runs (column {run}); the last value of each score counts"
    return last.drop(columns=step), [note], ""


def _of_chart(frame: pd.DataFrame, columns: dict[str, re.Match[str]]) -> tuple[pd.DataFrame, list[str], str]:
    rows: dict[str, dict[str, object]] = {}
    for column, match in columns.items():
        values = frame[column].dropna()
        if not match["spread"] and len(values):
            rows.setdefault(match["run"], {"name": match["run"]})[match["score"]] = values.iloc[-1]
    for name, row in rows.items():
        row.update({key: _number(value) for key, value in SETTING.findall(name)})
    if not any(len(row) > 1 + len({match["score"] for match in columns.values()}) for row in rows.values()):
        raise UserError(
            "--runs: this is the export of a W&B chart, whose columns are runs and say no settings; export the table "
            "of runs (Runs, then Export, CSV), or name runs as lr=0.1-seed=3"
        )
    note = f"history: a chart of {len(rows):,} runs; settings by their names, the last value of each score counts"
    return pd.DataFrame(rows.values()), [note], ""


def _number(text: str) -> float | int | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
