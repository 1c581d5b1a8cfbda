"""A study as DeepCAVE runs in their data-frame form: a folder a loss, with `trials.csv` and `configspace.csv`.

DeepCAVE's own reader (1.4) decides the form: the name of a metric holds its bounds and direction; values of a choice
are texts, so that those which pandas would read as something else stand in quotes.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from evenkeel.reports.facts import ParameterFacts, StudyFacts
from evenkeel.reports.table.trial_table import facts_of, metric_columns
from evenkeel.study.errors import UserError
from evenkeel.study.exchange.foreign_runs import ForeignRuns, state_of
from evenkeel.study.exchange.tidy import TRIAL_WORDS

METRIC = re.compile(r"metric:(\w+) \[.*\] \((\w+)\)")
TRIALS, SPACE = "trials.csv", "configspace.csv"
STATUS = {"done": "SUCCESS", "diverged": "FAILED", "failed": "CRASHED", "censored": "ABORTED"}
"""State of a trial -> what DeepCAVE calls it."""
PLAIN_TEXT = re.compile(r"[A-Za-z][\w .:/-]*")
READ_OTHERWISE = {"true", "false", "nan", "na", "null", "none", "inf", "n/a"}


def write_deepcave(table: pd.DataFrame, folder: Path) -> list[str]:
    """Write a run a loss under `folder`, and return their names. The objectives are the study's metric on validation
    and test; the other scores are kept beside them. Raises UserError for a folder that is there already."""
    if folder.exists():
        raise UserError(f"{folder}: is there already; name another folder, or remove it")
    study, names = facts_of(table), []
    for label, loss in study.losses.items():
        rows = table[table.loss == label]
        space = {name: p for name, p in loss.space.items() if rows[f"hp.{name}"].map(repr).nunique() > 1}
        if space:
            names.append(re.sub(r"[^\w.-]+", "-", label))
            (folder / names[-1]).mkdir(parents=True)
            _trials(rows, study, space).to_csv(folder / names[-1] / TRIALS, index=False)
            _space(rows, space).to_csv(folder / names[-1] / SPACE, index=False)
    if not names:
        raise UserError(f"{folder}: no loss varies a hyperparameter, so that DeepCAVE has nothing to show")
    return names


def _trials(rows: pd.DataFrame, study: StudyFacts, space: dict[str, ParameterFacts]) -> pd.DataFrame:
    frame = pd.DataFrame({name: rows[f"hp.{name}"] for name in space}, index=rows.index)
    for name, parameter in space.items():
        if parameter.kind == "choice":
            frame[name] = frame[name].map(_option)
    objectives = [
        name for split in ("val", "test") if (name := f"{split}_{study.metric}") in rows and rows[name].notna().any()
    ]
    for name in objectives:
        frame[_metric(name, rows[name], study)] = rows[name]
    words = {name: rows[name] for name in TRIAL_WORDS}
    scores = {name: rows[name] for name in metric_columns(study) if name in rows and name not in objectives}
    ends = rows["wall_s"].cumsum()
    times = {"start_time": ends - rows["wall_s"], "end_time": ends, "status": rows["state"].map(STATUS)}
    return pd.concat(
        [frame, pd.DataFrame(times | words | scores | {"config_id": _numbers(frame[list(space)])})], axis=1
    )


def _numbers(settings: pd.DataFrame) -> pd.Series:
    """Numbers of settings, in the order of appearance."""
    return pd.Series(pd.factorize(settings.astype(str).agg("|".join, axis=1))[0], index=settings.index)


def _metric(name: str, scores: pd.Series, study: StudyFacts) -> str:
    """`metric:<name> [<low>; <high>] (<direction>)`, of letters and digits, bounds without an exponent."""
    low, high = min(0.0, scores.min()), max(1.0, scores.max())
    bounds = f"[{math.floor(low * 1000) / 1000:.3f}; {math.ceil(high * 1000) / 1000:.3f}]"
    word = re.sub(r"\W+", "_", name)
    return f"metric:{word} {bounds} ({'maximize' if study.sign > 0 else 'minimize'})"


def _space(rows: pd.DataFrame, space: dict[str, ParameterFacts]) -> pd.DataFrame:
    return pd.DataFrame([_parameter(name, parameter, rows[f"hp.{name}"]) for name, parameter in space.items()])


def _parameter(name: str, parameter: ParameterFacts, values: pd.Series) -> dict[str, Any]:
    """A line of the space, with the range widened to the values that the study itself named."""
    if parameter.kind == "choice":
        options = [_option(option) for option in dict.fromkeys([*parameter.options, *values])]
        items = {f"item_{number}": option for number, option in enumerate(options)}
        line = {"name": name, "type": "categorical", "default": _option(parameter.default)}
        return line | {"log": False, "ordered": False} | items
    low, high = min(parameter.low, *values), max(parameter.high, *values)
    kind = "integer" if parameter.kind == "int" else "float"
    line = {"name": name, "type": kind, "lower": low, "upper": high, "default": parameter.default}
    return line | {"log": parameter.log and low > 0}


def _option(value: Any) -> str:
    """A value of a choice as DeepCAVE finds it again: what pandas would read as a number or a blank is quoted."""
    text = str(value)
    return text if PLAIN_TEXT.fullmatch(text) and text.lower() not in READ_OTHERWISE else f'"{text}"'


def is_deepcave(folder: Path) -> bool:
    """Whether a folder is such a run, or holds some."""
    return next(_runs(folder), None) is not None


def _runs(folder: Path) -> Iterator[Path]:
    yield from (path.parent for path in sorted([*folder.glob(SPACE), *folder.glob(f"*/{SPACE}")]))


def read_deepcave(folder: Path) -> ForeignRuns:
    """The runs under a folder, each a method by the name of its folder. Raises UserError for one without trials."""
    frames, settings, better = [], dict[str, None](), dict[str, str]()
    for run in _runs(folder):
        try:
            frame, space = pd.read_csv(run / TRIALS), pd.read_csv(run / SPACE)
        except (OSError, ValueError) as error:
            raise UserError(f"--runs {run}: no DeepCAVE run ({error})") from error
        objectives = {column: match for column in frame if (match := METRIC.match(str(column)))}
        better |= {match[1]: "higher" if match[2] == "maximize" else "lower" for match in objectives.values()}
        frame = frame.rename(columns={column: match[1] for column, match in objectives.items()})
        settings |= dict.fromkeys(space["name"])
        frames.append(frame if "loss" in frame else frame.assign(loss=run.name))
    runs = pd.concat(frames, ignore_index=True)
    for name in settings:
        runs[name] = runs[name].map(lambda value: value.strip('"') if isinstance(value, str) else value)
    own = runs["state"] if "state" in runs else [None] * len(runs)
    states = [state if state == "diverged" else state_of(word) for state, word in zip(own, runs["status"], strict=True)]
    return ForeignRuns(folder.name, runs, states, tuple(settings), tuple(better), better)
