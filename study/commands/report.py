"""`evenkeel report`: one HTML file, of one study or of several."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from evenkeel.study.commands.figures import print_pdf, write_figures
from evenkeel.study.commands.study_location import locate_study
from evenkeel.study.errors import UserError
from evenkeel.study.file.locations import Storage, StudyLocation, TrackingUri
from evenkeel.study.plain_text import visible
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.tracking.artifact_places import refuse_remote_artifacts

if TYPE_CHECKING:
    import pandas as pd


def execute(options: argparse.Namespace) -> int:
    """Write the report from the ledger, or from MLflow alone."""
    from evenkeel.reports.page.page import write_report

    if options.runs or options.study is None:
        from evenkeel.study.commands.report_runs import report_runs

        return report_runs(options)
    if options.others and options.storage:
        raise UserError("--storage names one folder; several studies lie where their files say")
    locations = [locate_study(study, options) for study in (options.study, *options.others)]
    tables = [_table(config, storage, options) for config, storage in locations]
    for (config, _), table in zip(locations, tables, strict=True):
        _say_margins(config, table)
    storage = locations[0][1]
    if options.output is None and (storage.folder is None or options.others):
        why = "which study's folder should it lie in" if options.others else "the report is written to a local file"
        raise UserError(f"{storage}: give -o FILE, {why}")
    path = Path(options.output or f"{storage}/report.html")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_report(tables[0], path, *tables[1:], runs=[_runs(*place, options) for place in locations])
    except OSError as error:
        raise UserError(f"-o {path}: cannot be written ({error})") from error
    except ValueError as error:
        raise UserError(f"report: {error}") from error
    sys.stdout.write(f"{visible(path)}\n")
    if options.pdf:
        sys.stdout.write(f"{visible(print_pdf('--pdf', path, path.with_suffix('.pdf')))}\n")
    if options.figures:
        _write_figures(tables[0], options)
    return 0


def _write_figures(table: "pd.DataFrame", options: argparse.Namespace) -> None:
    folder = Path(options.figures)
    if options.others:
        raise UserError("--figures: writes the figures of one study; name one")
    try:
        paths = write_figures(table, folder)
    except OSError as error:
        raise UserError(f"--figures {folder}: cannot be written ({error})") from error
    sys.stdout.write(f"{len(paths)} files in {folder}\n")


def _say_margins(config: StudyLocation, table: "pd.DataFrame") -> None:
    """A margin that was changed since the last run is not yet the study's."""
    from evenkeel.reports.table.trial_table import facts_of

    judged = facts_of(table).margins
    changed = [name for name, margin in (config.margins or judged).items() if judged.get(name, margin) != margin]
    if config.margins and changed:
        now, then = (", ".join(f"{name} {margins[name]:g}" for name in changed) for margins in (config.margins, judged))
        sys.stderr.write(
            f"{visible(config.name)}: margin is now {now}; the page judges by {then}, as at the last run; evenkeel run "
            "takes the change over, and the page then says it\n"
        )


def _table(config: StudyLocation, storage: Storage, options: argparse.Namespace) -> "pd.DataFrame":
    from evenkeel.study.records.table import table_from_ledger

    ledger = Ledger(str(storage), config.name)
    if options.from_mlflow:
        return _from_mlflow(TrackingUri.resolve(config, storage, options.tracking_uri), ledger)
    return table_from_ledger(ledger)


def _from_mlflow(uri: TrackingUri, ledger: Ledger) -> "pd.DataFrame":
    from evenkeel.study.tracking.mlflow_table import table_from_mlflow

    uri.check_database(ledger.study)
    if uri.is_own and uri.database:
        refuse_remote_artifacts(uri.database)
    study = ledger.read_study()
    try:
        return table_from_mlflow(uri.raw, ledger.study, study.identity if study else None)
    except ConnectionError as error:
        raise UserError(f"{uri.blamed}: does not answer ({uri.hide(str(error))}); is the server up?") from None
    except LookupError as error:
        raise UserError(
            f"{uri.blamed}: {error.args[0]}; run the study first, or give the right --tracking-uri"
        ) from None


def _runs(config: StudyLocation, storage: Storage, options: argparse.Namespace) -> str | None:
    """The address of a trial's run in MLflow; None without a server, or while it does not answer."""
    uri = TrackingUri.find_named(config, storage, options.tracking_uri)
    if uri is None or not uri.is_server:
        return None
    from evenkeel.study.tracking.experiment import make_trial_link
    from evenkeel.study.tracking.reader import find_experiment

    study = Ledger(str(storage), config.name).read_study()
    try:
        experiment = find_experiment(uri.raw, config.name, study.identity if study else None).experiment_id
    except (LookupError, ConnectionError) as error:
        sys.stderr.write(f"no links to MLflow: {visible(uri.hide(str(error)))}\n")
        return None
    return make_trial_link(uri.address, experiment)
