"""A study as Weights & Biases' offline folder, which its own package writes and `wandb sync` uploads; and back."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from evenkeel.reports.facts import StudyFacts
from evenkeel.reports.table.trial_table import facts_of, metric_columns
from evenkeel.study.errors import UserError
from evenkeel.study.exchange.foreign_runs import ForeignRuns, flatten, make_frame
from evenkeel.study.exchange.tidy import TRIAL_WORDS, plain_value

FILES = "offline-run-*/run-*.wandb"
EXIT_CODES = {"done": 0, "diverged": 1, "failed": 1, "censored": 130}
BLOCK, FILE_HEADER, RECORD_HEADER = 32768, 7, struct.Struct("<IHB")
"""The file is a log of records in blocks, as LevelDB writes it: checksum, length and kind before each piece."""
FIRST_PIECES, LAST_PIECES = (1, 2), (1, 4)
"""Kinds of pieces with which a record begins (whole, first), and ends (whole, last)."""


def write_wandb(table: pd.DataFrame, folder: Path) -> int:
    """Write an offline run a trial under `folder`, and return their number. Raises UserError without the package."""
    wandb = _package()
    study = facts_of(table)
    folder.mkdir(parents=True, exist_ok=True)
    quiet = wandb.Settings(
        silent=True, console="off", x_disable_stats=True, x_disable_meta=True, disable_git=True, save_code=False
    )
    for record in table.to_dict("records"):
        _write_run(wandb, {str(k): v for k, v in record.items()}, study, folder, quiet)
    return len(table)


def _package() -> Any:
    try:
        import wandb
    except ImportError as error:
        raise UserError(
            f"--to wandb: its package writes the folder; install it: pip install wandb ({error})"
        ) from error
    return wandb


def _write_run(wandb: Any, row: dict[str, Any], study: StudyFacts, folder: Path, settings: Any) -> None:
    words = {name: plain_value(row[name]) for name in TRIAL_WORDS if not pd.isna(row[name])}
    hyperparameters = {
        name: plain_value(value) for name, value in row.items() if name.startswith("hp.") and _is_there(value)
    }
    run = wandb.init(
        project=study.name, group=row["loss"], job_type=row["design"], id=row["trial_id"], name=row["trial_id"],
        dir=folder, mode="offline", config=words | hyperparameters, settings=settings, reinit="finish_previous",
    )  # fmt: skip
    scores = {name: row[name] for name in metric_columns(study) if name in row and not pd.isna(row[name])}
    run.summary.update(scores | {"wall_s": row["wall_s"], "epochs_done": row["epochs_done"]})
    run.finish(exit_code=EXIT_CODES[row["state"]])


def _is_there(value: Any) -> bool:
    return isinstance(value, list | dict | tuple) or not pd.isna(value)


def is_wandb(folder: Path) -> bool:
    """Whether a folder, or `wandb` in it, holds offline runs."""
    return next(_files(folder), None) is not None


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted([*folder.glob(FILES), *folder.glob(f"wandb/{FILES}")])


def read_wandb(folder: Path) -> ForeignRuns:
    """The offline runs of a folder: their configuration, summary and exit. Raises UserError without the package."""
    _package()
    runs = [_read_run(path) for path in _files(folder)]
    settings = dict.fromkeys(name for config, _, _ in runs for name in config if name not in TRIAL_WORDS)
    states = ["diverged" if config.get("state") == "diverged" else state for config, _, state in runs]
    frame = make_frame([summary | config for config, summary, _ in runs], settings)
    return ForeignRuns(folder.name, frame, states, tuple(settings))


def _read_run(path: Path) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Configuration, summary and state."""
    from wandb.proto.wandb_internal_pb2 import Record

    config: dict[str, Any] = {}
    summary: dict[str, Any] = {}
    state = "censored"  # a run that wrote no exit is still going, or was killed
    for content in _records(path):
        record = Record()
        record.ParseFromString(content)
        for update in (record.run.config.update, record.config.update):
            config |= {item.key: json.loads(item.value_json) for item in update}
        summary |= {
            item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.summary.update
        }
        if record.WhichOneof("record_type") == "exit":
            state = {0: "done", 130: "censored"}.get(record.exit.exit_code, "failed")
    settings, scores = (
        {n: x for n, x in flatten(values).items() if not n.startswith("_")} for values in (config, summary)
    )
    return settings, {"id": path.stem.partition("-")[2], **scores}, state


def _records(path: Path) -> Iterator[bytes]:
    """The records of a log, put together from their pieces; what a killed run left half is left out."""
    content, position, pieces = path.read_bytes(), FILE_HEADER, b""
    while position + RECORD_HEADER.size <= len(content):
        if (left := BLOCK - position % BLOCK) < RECORD_HEADER.size:
            position += left
            continue
        _, length, kind = RECORD_HEADER.unpack_from(content, position)
        position += RECORD_HEADER.size
        pieces = (b"" if kind in FIRST_PIECES else pieces) + content[position : position + length]
        position += length
        if kind in LAST_PIECES and position <= len(content):
            yield pieces
