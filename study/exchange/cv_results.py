"""scikit-learn's `cv_results_` of a search, a row a setting, as a row a setting and fold."""

import ast
import re
from typing import Any

import pandas as pd

FOLD_SCORE = re.compile(r"split(\d+)_(test_.+)")
PARAMETER = "param_"
SETTINGS = "params"
BUDGET = "n_resources"
"""A halving search trains few settings for longer; so is the column called that says how long."""
HALVED = (
    "adaptive, since a halving search drops settings by their scores: no curve, tolerance or share can come of them"
)


def folds_of_search(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str], str] | None:
    """A row a setting and fold, how that was understood, and why settings were chosen by scores if they were.

    None for a table that is none of a search. Of a halving search what trained for less than the others was `pruned`.
    """
    scores = {str(column): match for column in frame if (match := FOLD_SCORE.fullmatch(str(column)))}
    folds = sorted({int(match[1]) for match in scores.values()})
    names = [str(name).removeprefix(PARAMETER) for name in frame.columns if str(name).startswith(PARAMETER)]
    if not folds or not names:
        return None
    settings = _settings(frame, names).assign(**_states(frame))
    rows = pd.concat([_fold(frame, fold, settings, scores) for fold in folds], ignore_index=True)
    note = f"cross-validation: {len(frame):,} settings on {len(folds)} folds; a fold counts as a seed"
    if BUDGET not in frame:
        return rows, [note], ""
    dropped = int((settings.state == "pruned").sum())
    halving = (
        f"halving: {dropped:,} settings trained on less than {BUDGET} {frame[BUDGET].max():g} count as stopped early"
    )
    return rows, [note, halving], HALVED


def _settings(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The parameters, by the column of whole settings where it can be read: in a table `None` is a blank, as is a
    parameter that a setting does not have."""
    plain = frame[[f"{PARAMETER}{name}" for name in names]].rename(columns=lambda name: name.removeprefix(PARAMETER))
    wholes = [_whole(text) for text in frame[SETTINGS]] if SETTINGS in frame else [None]
    if any(whole is None for whole in wholes):
        return plain
    settings = [{name: _told(value) for name, value in whole.items()} for whole in wholes if whole is not None]
    return pd.DataFrame(settings, index=frame.index, columns=names)


def _whole(text: Any) -> dict[str, Any] | None:
    try:
        whole = ast.literal_eval(text) if isinstance(text, str) else text
    except (ValueError, SyntaxError, MemoryError, RecursionError):  # a value that is no literal: an estimator
        return None
    return whole if isinstance(whole, dict) else None


def _told(value: Any) -> Any:
    """None is a value here: that of `max_depth`, say."""
    return str(value) if value is None or isinstance(value, list | tuple | dict | set) else value


def _states(frame: pd.DataFrame) -> dict[str, list[str]]:
    if BUDGET not in frame:
        return {}
    return {"state": ["finished" if whole else "pruned" for whole in frame[BUDGET] == frame[BUDGET].max()]}


def _fold(frame: pd.DataFrame, fold: int, settings: pd.DataFrame, scores: dict[str, re.Match[str]]) -> pd.DataFrame:
    own = {name: match[2] for name, match in scores.items() if int(match[1]) == fold}
    return pd.concat([settings, frame[list(own)].rename(columns=own)], axis=1).assign(fold=fold)
