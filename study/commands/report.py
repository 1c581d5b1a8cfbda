"""`evenkeel report`: one HTML file."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from study.errors import UserError
from study.file.read import load_study
from study.records.ledger import Ledger
from study.run.places import Storage, TrackingUri

if TYPE_CHECKING:
    import pandas as pd


def execute(options: argparse.Namespace) -> int:
    """Write the report from the ledger, or from MLflow alone."""
    from reports.page import write_report
    from study.records.table import table_from_ledger

    config = load_study(options.study, options.overrides)
    storage = Storage.of(config, options.storage)
    if options.from_mlflow:
        table = _from_mlflow(TrackingUri.of(config, storage, options.tracking_uri), Ledger(str(storage), config.name))
    else:
        table = table_from_ledger(Ledger(str(storage), config.name))
    if options.output is None and storage.folder is None:
        raise UserError(f"{storage}: give -o FILE, the report is written to a local file")
    path = Path(options.output or f"{storage}/report.html")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_report(table, path)
    except OSError as error:
        raise UserError(f"-o {path}: cannot be written ({error})") from error
    sys.stdout.write(f"{path}\n")
    return 0


def _from_mlflow(uri: TrackingUri, ledger: Ledger) -> "pd.DataFrame":
    from study.records.table import table_from_mlflow

    study = ledger.read_study()
    try:
        return table_from_mlflow(uri.raw, ledger.study, study.identity if study else None)
    except ConnectionError as error:
        raise UserError(f"{uri.blamed}: does not answer ({uri.hide(str(error))}); is the server up?") from None
    except LookupError as error:
        raise UserError(
            f"{uri.blamed}: {error.args[0]}; run the study first, or give the right --tracking-uri"
        ) from None
