"""From the ledger to the trial table."""

from collections.abc import Iterator
from sys import intern

import pandas as pd

from evenkeel.reports.facts import StudyFacts
from evenkeel.reports.table.machines import set_other_shared_aside
from evenkeel.reports.table.trial_table import Files, TrialRow, TrialRows, trial_table
from evenkeel.study.errors import UserError
from evenkeel.study.records.facts import read_facts
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.records.parquet import scores_of_classes
from evenkeel.study.records.record import TrialRecord


def table_from_ledger(ledger: Ledger, facts: StudyFacts | None = None) -> pd.DataFrame:
    """The trial table of a study folder, under the facts that it stores unless others are given.

    Raises UserError for a folder without a study.
    """
    facts = facts or read_facts(ledger.require_study().summary, f"{ledger.storage}/study.json")
    names: dict[str, frozenset[str]] = {}

    def blocks() -> Iterator[TrialRows]:
        for block in ledger.blocks():
            names.update({record.id: frozenset(record.files.values()) for record in block.records if record.files})
            yield TrialRows([make_row(record.id, record) for record in block.records], block.metrics, block.arrays)

    try:
        return set_other_shared_aside(trial_table(blocks(), facts, Files(names, ledger.read_file)))
    except ValueError as error:
        raise UserError(f"{ledger.storage}: {error}") from error


def make_row(trial_id: str, record: TrialRecord) -> TrialRow:
    """A record as a row of the table; words that many rows share are kept once."""
    trial, versions = record.trial, ", ".join(f"{name} {number}" for name, number in sorted(record.versions.items()))
    return TrialRow(
        trial_id=trial_id,
        loss=intern(trial.label),
        loss_name=intern(trial.loss),
        design=intern(trial.design),
        seed=trial.seed,
        group=trial.group,
        moved=trial.moved,
        proposal=trial.proposal,
        state=intern(record.state),
        wall_s=record.wall_s,
        epochs_done=record.epochs_done,
        host=intern(record.host),
        note=record.note or "",
        versions=intern(versions),
        loss_path=intern(record.loss_path),
        machine=intern(", ".join(value for value in record.machine.values() if value)),
        shared=intern(record.shared),
        hyperparameters=trial.setting,
        metrics=record.metrics,
        images=record.images,
        classes=scores_of_classes(record),
    )
