"""`evenkeel export`: a study's trials for other people's tools."""

import argparse
import sys
from pathlib import Path

from evenkeel.study.commands.study_location import locate_study
from evenkeel.study.errors import UserError
from evenkeel.study.exchange.tidy import write_table
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.records.table import table_from_ledger

SUFFIXES = {"csv": ".csv", "parquet": ".parquet", "optuna": ".db"}
"""Form -> suffix of the file."""


def execute(options: argparse.Namespace) -> int:
    """Write one file (and the dictionary of a table beside it), and say where. Raises UserError."""
    location, storage = locate_study(options.study, options)
    path = _output(options, location.name, storage.folder)
    table = table_from_ledger(Ledger(str(storage), location.name))
    if table.empty:
        raise UserError(f"{storage}: no trial is recorded yet; run the study first")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if options.to == "optuna":
            from evenkeel.study.exchange.optuna_storage import write_optuna

            names = write_optuna(table, path)
            sys.stdout.write(f"{path}: {', '.join(names)}; look at it with: optuna-dashboard sqlite:///{path}\n")
        else:
            sys.stdout.writelines(f"{written}\n" for written in write_table(table, path))
    except OSError as error:
        raise UserError(f"-o {path}: cannot be written ({error.strerror or error}); name another place") from error
    return 0


def _output(options: argparse.Namespace, name: str, folder: Path | None) -> Path:
    """The file that was named, or `<study>.<suffix>` in the study's folder."""
    suffix = SUFFIXES[options.to]
    if options.output is None:
        if folder is None:
            raise UserError("export: the study lies on an object store; give -o FILE")
        return folder / f"{name}{suffix}"
    path = Path(options.output)
    if path.suffix != suffix:
        raise UserError(f"-o {path}: --to {options.to} writes a file that ends in {suffix}")
    return path
