"""scikit-learn's `cv_results_` of a search, a row a setting, as a row a setting and fold."""

import re

import pandas as pd

FOLD_SCORE = re.compile(r"split(\d+)_test_(.+)")
PARAMETER = "param_"


def folds_of_search(frame: pd.DataFrame) -> tuple[pd.DataFrame, str] | None:
    """A row a setting and fold, and how that was understood; None for a table that is none of a search."""
    folds = sorted({int(match[1]) for column in frame.columns if (match := FOLD_SCORE.fullmatch(str(column)))})
    parameters = {name: str(name).removeprefix(PARAMETER) for name in frame.columns if str(name).startswith(PARAMETER)}
    if not folds or not parameters:
        return None
    rows = pd.concat([_fold(frame, fold, parameters) for fold in folds], ignore_index=True)
    note = (
        f"cross-validation: {len(frame):,} settings on {len(folds)} folds. A fold counts as a seed, though folds share "
        "training rows: intervals are too narrow"
    )
    return rows, note


def _fold(frame: pd.DataFrame, fold: int, parameters: dict[str, str]) -> pd.DataFrame:
    matches = {str(column): FOLD_SCORE.fullmatch(str(column)) for column in frame.columns}
    scores = {name: f"test_{match[2]}" for name, match in matches.items() if match and int(match[1]) == fold}
    return frame[[*parameters, *scores]].rename(columns=parameters | scores).assign(fold=fold)
