"""`evenkeel export`: a study's trials for other people's tools."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from evenkeel.study.commands.study_location import locate_study
from evenkeel.study.errors import UserError
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.records.table import table_from_ledger

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = {"csv": ".csv", "parquet": ".parquet", "optuna": ".db", "deepcave": "", "wandb": ""}
"""Form -> suffix of the file; none of a folder."""


def execute(options: argparse.Namespace) -> int:
    """Write a file (and the dictionary of a table beside it) or a folder, and say where. Raises UserError."""
    location, storage = locate_study(options.study, options)
    path = _output(options, location.name, storage.folder)
    table = table_from_ledger(Ledger(str(storage), location.name))
    if table.empty:
        raise UserError(f"{storage}: no trial is recorded yet; run the study first")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sys.stdout.writelines(f"{line}\n" for line in WRITERS.get(options.to, _table)(table, path))
    except OSError as error:
        raise UserError(f"-o {path}: cannot be written ({error.strerror or error}); name another place") from error
    return 0


def _table(table: "pd.DataFrame", path: Path) -> list[str]:
    from evenkeel.study.exchange.tidy import write_table

    return [str(written) for written in write_table(table, path)]


def _optuna(table: "pd.DataFrame", path: Path) -> list[str]:
    from evenkeel.study.exchange.optuna_storage import write_optuna

    names = write_optuna(table, path)
    return [f"{path}: {', '.join(names)}; look at it with: optuna-dashboard sqlite:///{path}"]


def _deepcave(table: "pd.DataFrame", path: Path) -> list[str]:
    from evenkeel.study.exchange.deepcave_run import write_deepcave

    return [
        f"{path}: {', '.join(write_deepcave(table, path))}; look at them with: deepcave --open, {path} as the folder"
    ]


def _wandb(table: "pd.DataFrame", path: Path) -> list[str]:
    from evenkeel.study.exchange.wandb_folder import write_wandb

    return [f"{path}: {write_wandb(table, path):,} runs; upload them with: wandb sync {path}/wandb/offline-run-*"]


WRITERS = {"optuna": _optuna, "deepcave": _deepcave, "wandb": _wandb}
"""Form -> what writes it and says where; a table for all other forms."""


def _output(options: argparse.Namespace, name: str, folder: Path | None) -> Path:
    """What was named, or `<study>.<suffix>` (of a folder the form) in the study's folder."""
    suffix = SUFFIXES[options.to]
    if options.output is None:
        if folder is None:
            raise UserError("export: the study lies on an object store; give -o FILE or FOLDER")
        return folder / (f"{name}{suffix}" if suffix else options.to)
    path = Path(options.output)
    if suffix and path.suffix != suffix:
        raise UserError(f"-o {path}: --to {options.to} writes a file that ends in {suffix}")
    return path
