"""Runs from a table, a Ray Tune results folder, an Optuna storage or an MLflow experiment. Nothing is unpickled."""

import csv
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from evenkeel.study.errors import UserError
from evenkeel.study.exchange.cv_results import folds_of_search
from evenkeel.study.exchange.foreign_runs import ForeignRuns, flatten, make_frame, state_of
from evenkeel.study.exchange.plain_columns import plain_columns
from evenkeel.study.exchange.wandb_history import runs_of_history

MAX_RESULT_BYTES, MAX_TABLE_BYTES = 2**28, 2**32
STATUS_COLUMNS = ("state", "status")
DECIMAL_COMMA = re.compile(rb"(^|;)-?\d+,\d+(;|\r?$)", re.MULTILINE)
"""A cell as `0,25` between semicolons."""
NUM_LINES_SNIFFED = 20
OPTUNA_SUFFIXES = (".db", ".sqlite", ".sqlite3", ".log", ".journal")
MLFLOW = "mlflow:"
"""`mlflow:EXPERIMENT` names an experiment on the server or database of --tracking-uri."""
RAY_ITERATION = "training_iteration"
RAY_BOOKKEEPING = {
    *("timestamp", "date", "pid", "hostname", "node_ip", "trial_id", "experiment_tag", "done", "checkpoint_dir_name"),
    *("time_this_iter_s", "time_total_s", "time_since_restore", "iterations_since_restore"),
    *("should_checkpoint", "num_checkpoints", "episodes_total", "timesteps_total"),
}


def read_runs(source: str, tracking_uri: str | None) -> ForeignRuns:
    """The runs of `source`, by what it is. Raises UserError for what is not there or of no known form."""
    if source.startswith(MLFLOW):
        return read_mlflow(source.removeprefix(MLFLOW), tracking_uri)
    path, study = _of_storage(Path(source.removeprefix("sqlite:///")).expanduser())
    if not path.exists():
        raise UserError(f"--runs {source}: no such file or folder; an MLflow experiment is written as {MLFLOW}NAME")
    if path.is_dir():
        return _read_folder(path)
    if path.suffix in OPTUNA_SUFFIXES:
        from evenkeel.study.exchange.optuna_runs import read_optuna

        return read_optuna(path, study)
    return read_table(path)


def _of_storage(path: Path) -> tuple[Path, str | None]:
    """`study.db:NAME` as the storage and the name of a study in it; any other path as it is."""
    name, colon, study = path.name.partition(":")
    storage = path.with_name(name) if name else path
    return (storage, study) if colon and not path.exists() and storage.suffix in OPTUNA_SUFFIXES else (path, None)


def _read_folder(folder: Path) -> ForeignRuns:
    """What a folder holds: runs of DeepCAVE, of W&B (offline), or of Ray Tune."""
    from evenkeel.study.exchange.deepcave_run import is_deepcave, read_deepcave
    from evenkeel.study.exchange.wandb_folder import is_wandb, read_wandb

    if is_deepcave(folder):
        return read_deepcave(folder)
    return read_wandb(folder) if is_wandb(folder) else read_ray_results(folder)


def read_table(path: Path) -> ForeignRuns:
    """A CSV (or TSV; also under gzip) or Parquet file with a row a run; W&B's history has a row a step, cv_results_ a
    row a setting."""
    try:
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
        else:
            content = _table_content(path)
            sep = _delimiter(content)
            decimal = "," if sep == ";" and DECIMAL_COMMA.search(content) else "."
            frame = pd.read_csv(BytesIO(content), sep=sep, decimal=decimal, encoding="utf-8-sig", low_memory=False)
    except (ValueError, OSError, EOFError, zlib.error, ImportError) as error:
        raise UserError(f"--runs {path}: no table of CSV or Parquet ({str(error).splitlines()[0]})") from error
    if frame.empty:
        raise UserError(f"--runs {path}: the table has no rows")
    frame = plain_columns(frame)
    frame, notes, chosen = folds_of_search(frame) or runs_of_history(frame) or (frame, [], "")
    status = next((column for column in frame.columns if str(column).lower() in STATUS_COLUMNS), None)
    states = ["done"] * len(frame) if status is None else [_own_or_foreign(word) for word in frame[status]]
    return ForeignRuns(path.stem, frame, states, chosen=chosen, notes=tuple(notes))


def _table_content(path: Path) -> bytes:
    """Raises ValueError for a pipe, which would be waited for, and for more than MAX_TABLE_BYTES, unpacked."""
    if not path.is_file():
        raise ValueError("no plain file")
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        content = file.read(MAX_TABLE_BYTES + 1)
    if len(content) > MAX_TABLE_BYTES:
        raise ValueError(f"more than {MAX_TABLE_BYTES:,} bytes; give what is needed")
    return content


def _delimiter(content: bytes) -> str:
    """The sign that the first lines have in common; a comma where none is found. pandas' own search is ten times slower
    on the whole of a large file."""
    lines = b"".join(islice(BytesIO(content), NUM_LINES_SNIFFED))
    try:
        return csv.Sniffer().sniff(lines.decode("utf-8-sig"), ",;\t|").delimiter
    except csv.Error:
        return ","


def _own_or_foreign(word: object) -> str:
    return "diverged" if word == "diverged" else state_of(word)


def read_mlflow(name: str, tracking_uri: str | None) -> ForeignRuns:
    """An experiment on an MLflow server or database; a parameter whose values are all numbers is one."""
    from evenkeel.study.tracking.foreign_experiment import read_foreign_experiment

    frame, settings, metrics, notes = read_foreign_experiment(name, tracking_uri)
    numbers = {column: pd.to_numeric(frame[column], errors="coerce") for column in settings}
    whole = {name: values for name, values in numbers.items() if values.count() == frame[name].count()}
    states = [_own_or_foreign(word) for word in frame["status"]]
    return ForeignRuns(name, frame.assign(**whole), states, tuple(settings), tuple(metrics), notes=tuple(notes))


def read_ray_results(folder: Path) -> ForeignRuns:
    """The experiments of Ray Tune under a folder: `params.json` and the last line of `result.json` of each trial."""
    rows = list(_ray_rows(folder))
    if not rows:
        raise UserError(f"--runs {folder}: no results of Ray Tune here (no folder with params.json and result.json)")
    settings = dict.fromkeys(name for params, _, _ in rows for name in params)
    metrics = dict.fromkeys(
        name for _, scores, _ in rows for name in scores if name not in settings and name != RAY_ITERATION
    )
    frame = make_frame([{**scores, **params} for params, scores, _ in rows], settings)
    states = [state for *_, state in rows]
    return ForeignRuns(folder.name, frame, states, tuple(settings), tuple(metrics), chosen=_stopped(frame, states))


def _stopped(frame: pd.DataFrame, states: list[str]) -> str:
    """A sentence where finished trials trained for several numbers of iterations, as schedulers stop them."""
    done = frame[[state == "done" for state in states]]
    lengths = done.get(RAY_ITERATION, pd.Series(dtype=float)).dropna()
    if lengths.nunique() < 2:
        return ""
    return (
        f"adaptive, since trials ended after {lengths.min():g} to {lengths.max():g} iterations: a scheduler stops the "
        "worse ones, and its scores cannot be compared; write sweep, grid or random if it was not a scheduler"
    )


def _ray_rows(folder: Path) -> Iterator[tuple[dict[str, Any], dict[str, float], str]]:
    for params_file in sorted(folder.rglob("params.json")):
        trial = params_file.parent
        params = flatten(_json(_plain_text(params_file), params_file))
        results = trial / "result.json"
        lines = _plain_text(results).splitlines() if results.exists() else []
        last = _json(lines[-1], results) if lines else {}
        last.pop("config", None)
        scores = {name: float(value) for name, value in flatten(last).items() if _is_score(name, value)}
        yield params, scores, "failed" if (trial / "error.txt").exists() or not lines else "done"


def _plain_text(path: Path) -> str:
    """Raises UserError for a pipe, which would be waited for, and for more than MAX_RESULT_BYTES."""
    if not path.is_file() or path.stat().st_size > MAX_RESULT_BYTES:
        raise UserError(f"--runs {path}: no plain file of at most {MAX_RESULT_BYTES:,} bytes, as Ray Tune writes them")
    return path.read_text(encoding="utf-8")


def _json(text: str, path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(f"--runs {path}: not the JSON that Ray Tune writes ({error})") from error


def _is_score(name: str, value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and name not in RAY_BOOKKEEPING
