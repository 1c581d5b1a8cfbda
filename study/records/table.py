"""From the ledger to the trial table."""

from collections.abc import Iterator
from sys import intern

import pandas as pd

from evenkeel.reports.facts import StudyFacts
from evenkeel.reports.table.machines import set_other_shared_aside
from evenkeel.reports.table.trial_table import IDENTITY, Files, TrialRow, TrialRows, trial_table
from evenkeel.study.errors import UserError
from evenkeel.study.records.facts import read_facts
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.records.parquet import Block, scores_of_classes
from evenkeel.study.records.record import TrialRecord


def table_from_ledger(ledger: Ledger, facts: StudyFacts | None = None) -> pd.DataFrame:
    """The trial table of a study folder, under the facts that it stores unless others are given.

    Raises UserError for a folder without a study.
    """
    facts = facts or read_facts(ledger.require_study().summary, f"{ledger.storage}/study.json")
    names: dict[str, frozenset[str]] = {}

    def parts() -> Iterator[TrialRows]:
        for block in ledger.blocks():
            names.update(_file_names(block))
            yield _rows_of(block) if isinstance(block, Block) else TrialRows.of([make_row(r.id, r) for r in block])

    try:
        return set_other_shared_aside(trial_table(parts(), facts, Files(names, ledger.read_file)))
    except (ValueError, OverflowError) as error:
        raise UserError(f"{ledger.storage}: {error}") from error


def _file_names(block: Block | list[TrialRecord]) -> dict[str, frozenset[str]]:
    """By trial id, of those that have files beside their record."""
    if isinstance(block, Block):
        pairs = list(zip(block.facts["id"], block.facts["files"], strict=True))
    else:
        pairs = [(record.id, record.files) for record in block]
    return {trial_id: frozenset(files.values()) for trial_id, files in pairs if files}


def _rows_of(block: Block) -> TrialRows:
    """What `make_row` makes of each record, by column."""
    facts = block.facts
    named = {"trial_id": facts["id"], "loss": facts["label"], "loss_name": facts["loss"]}
    worded = {
        "versions": [_version_words(versions) for versions in facts["versions"]],
        "machine": [_machine_words(machine) for machine in facts["machine"]],
        "note": [note or "" for note in facts["note"]],
    }
    identity = {name: (named | worded).get(name) or facts[name] for name in IDENTITY}
    return TrialRows(identity, facts["setting"], block.metrics, block.arrays)


def _version_words(versions: dict[str, str]) -> str:
    return intern(", ".join(f"{name} {number}" for name, number in sorted(versions.items())))


def _machine_words(machine: dict[str, str]) -> str:
    return intern(", ".join(value for value in machine.values() if value))


def make_row(trial_id: str, record: TrialRecord) -> TrialRow:
    """A record as a row of the table; words that many rows share are kept once."""
    trial = record.trial
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
        versions=_version_words(record.versions),
        loss_path=intern(record.loss_path),
        machine=_machine_words(record.machine),
        shared=intern(record.shared),
        hyperparameters=trial.setting,
        metrics=record.metrics,
        images=record.images,
        classes=scores_of_classes(record),
    )
