"""`evenkeel report`: one HTML file."""

import argparse
import sys
from pathlib import Path

from study.errors import UserError
from study.file.read import load_study
from study.records.ledger import Ledger
from study.run.engine import storage_of, tracking_uri_of


def execute(options: argparse.Namespace) -> int:
    """Write the report from the ledger, or from MLflow alone."""
    from reports.page import write_report
    from study.records.table import table_from_ledger, table_from_mlflow

    config = load_study(options.study, options.overrides)
    storage = storage_of(config, options.storage)
    if options.from_mlflow:
        table = table_from_mlflow(tracking_uri_of(config, storage, options.tracking_uri), config.name)
    else:
        table = table_from_ledger(Ledger(storage, config.name))
    if options.output is None and "://" in storage:
        raise UserError(f"{storage}: give -o FILE, the report is written to a local file")
    path = Path(options.output or Path(storage) / "report.html")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_report(table, path)
    except OSError as error:
        raise UserError(f"-o {path}: cannot be written ({error})") from error
    sys.stdout.write(f"{path}\n")
    return 0
