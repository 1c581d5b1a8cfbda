"""`evenkeel report --runs SOURCE`: a page of runs that evenkeel did not train."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from evenkeel.study.errors import UserError
from evenkeel.study.plain_text import visible

if TYPE_CHECKING:
    import pandas as pd


def report_runs(options: argparse.Namespace) -> int:
    """Write the page, or print runs.yaml. Raises UserError."""
    from evenkeel.reports.page.page import write_report

    if options.runs is None or options.study is not None:
        raise UserError("report: give a STUDY, or --runs SOURCE alone")
    if options.output is None and not options.explain:
        raise UserError("report --runs: give -o FILE, the page to write")
    table = _table_of_runs(options)
    if table is None:
        return 0
    path = Path(options.output)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_report(table, path)
    except OSError as error:
        raise UserError(f"-o {path}: cannot be written ({error})") from error
    sys.stdout.write(f"{visible(path)}\n")
    return 0


def _table_of_runs(options: argparse.Namespace) -> "pd.DataFrame | None":
    """The trial table of `--runs`; what was understood is printed first. None after --explain, which prints runs.yaml.

    Raises UserError with the questions that must be settled before a page can claim anything.
    """
    from evenkeel.study.exchange.mapping import RunsMapping, read_mapping
    from evenkeel.study.exchange.read_runs import read_runs
    from evenkeel.study.exchange.runs_table import runs_table
    from evenkeel.study.exchange.understand import understand

    runs = read_runs(options.runs, options.tracking_uri)
    if options.mapping:
        mapping = read_mapping(Path(options.mapping))
    else:
        understood = understand(runs)
        if options.explain:
            sys.stdout.write(understood.yaml())
            return None
        if understood.questions:
            lines = "\n".join(f"  {question}" for question in understood.questions)
            raise UserError(
                f"--runs {options.runs}: some of it cannot be guessed\n{lines}\n  write runs.yaml with --explain "
                "(> runs.yaml), settle it there, and give --mapping runs.yaml"
            )
        sys.stdout.writelines(f"{visible(line)}\n" for line in understood.lines)
        mapping = RunsMapping.model_validate(understood.mapping)
    table, notes = runs_table(runs, mapping)
    sys.stdout.writelines(f"{visible(note)}\n" for note in notes)
    return table
