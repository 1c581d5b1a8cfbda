"""The first step of a run: what is planned, what is recorded already, what is missing."""

import errno
import os
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from tempfile import TemporaryFile

from evenkeel.study.errors import UserError
from evenkeel.study.file.locations import URI_VARIABLE, Storage, TrackingUri, config_without_secrets
from evenkeel.study.file.study import Entry, StudyConfig
from evenkeel.study.plan.own_code import check_own_code
from evenkeel.study.plan.planner import Planner
from evenkeel.study.records.index_entry import IndexEntry
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.records.record import StudyRecord
from evenkeel.study.run.due_trials import find_due
from evenkeel.study.run.interfaces import RunOptions, Say
from evenkeel.study.run.resume import is_complete, select_usable
from evenkeel.study.tracking.database import find_damage, set_aside
from evenkeel.study.tracking.receipt import TrackingReceipt, list_recorded
from evenkeel.trainables import Trial
from evenkeel.trainables.trial import Design


@dataclass(frozen=True)
class PreparedRun:
    """A study as a run finds it, under the lease of its folder; handed to `execute_run`.

    `entries` are the recorded trials that belong to it, by id; `planned` those of sweep and Sobol design that are due,
    recorded or not, and `possible` also those that an open verdict might ask for; `num_planned` counts by label and
    design, searched trials included. `stored` is the study as its folder has it.
    `is_complete`: no trial is missing. `is_tracked`: MLflow has all that is recorded.
    `own_ids` are those of the only trials that a shard of the study may run; None for a run of the whole.
    """

    config: StudyConfig
    options: RunOptions
    planner: Planner
    ledger: Ledger
    uri: TrackingUri
    possible: list[Trial]
    planned: list[Trial]
    num_planned: Mapping[str, dict[Design, int]]
    entries: dict[str, IndexEntry]
    stored: StudyRecord | None
    is_complete: bool
    is_tracked: bool
    own_ids: frozenset[str] | None = None

    @property
    def total(self) -> int:
        """All trials of the study, those included that a search will ask for."""
        if self.own_ids is not None:
            return len(self.own_ids)
        return sum(sum(designs.values()) for designs in self.num_planned.values())

    def only(self, trials: list[Trial]) -> "PreparedRun":
        """The same for a shard that runs these of the planned trials."""
        part = replace(self, planned=trials, own_ids=frozenset(trial.id for trial in trials))
        return replace(part, entries=part.keep_own(self.entries))

    def keep_own(self, entries: dict[str, IndexEntry]) -> dict[str, IndexEntry]:
        """Those that concern it: all, or those of the shard's own trials."""
        if self.own_ids is None:
            return entries
        return {trial_id: entry for trial_id, entry in entries.items() if trial_id in self.own_ids}

    @property
    def is_finished(self) -> bool:
        """Whether there is nothing to do at all: not a word of the study has changed."""
        unchanged = self.stored is not None and self.stored.config == config_without_secrets(self.config)
        return self.is_complete and self.is_tracked and unchanged


def prepare_run(
    config: StudyConfig, options: RunOptions, storage: Storage, planner: Planner, ledger: Ledger, say: Say
) -> PreparedRun:
    """Read the ledger, set aside what cannot be read or no longer belongs to the study, and see what is missing.

    Raises UserError for code of one's own that breaks its contract, and for a changed study unless that is accepted.
    """
    check_own_code(config)
    if options.retry_failed:
        forget_failures(ledger)
    possible = planner.planned()
    entries = select_usable(ledger, planner, possible, options.accept_changes, say)
    planned = find_due(planner, possible, ledger, entries)
    uri = TrackingUri.resolve(config, storage, options.tracking_uri)
    if uri.key == URI_VARIABLE:
        say(f"MLflow at {uri}, as {URI_VARIABLE} says")
    _refuse_closed_database(uri, options)
    _refuse_damaged_database(uri, options, say)
    receipt = TrackingReceipt(ledger.folder, uri)
    return PreparedRun(
        config=config,
        options=options,
        planner=planner,
        ledger=ledger,
        uri=uri,
        possible=possible,
        planned=planned,
        num_planned={loss.label: _count_planned(planner, planned, loss) for loss in config.entries},
        entries=entries,
        stored=ledger.read_study(),
        is_complete=is_complete(planner, planned, entries),
        is_tracked=not options.track_again and receipt.holds(list_recorded(entries.values(), ledger.retired_ids())),
    )


def _refuse_closed_database(uri: TrackingUri, options: RunOptions) -> None:
    """Raises UserError where a database that was named cannot be made or written: MLflow would try for a minute."""
    if uri.database is None or not uri.key or options.track_later:
        return
    try:
        uri.database.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=uri.database.parent):
            if uri.database.exists() and not os.access(uri.database, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise UserError(
            f"{uri.blamed}: cannot be written ({why}); name another place, or give --track-later"
        ) from error


def _refuse_damaged_database(uri: TrackingUri, options: RunOptions, say: Say) -> None:
    """MLflow can be filled again from the records: the study's own database is then made anew, where that was asked.

    Raises UserError for a damaged one, unless it is made again or the study may be tracked later.
    """
    damage = find_damage(uri.database) if uri.database else None
    if damage is None or uri.database is None:
        return
    if options.track_again and not uri.key:
        say(f"MLflow's database was damaged ({damage}); it lies in {set_aside(uri.database)} and is made again")
    elif not options.track_later:
        way = "restore or remove it, then run" if uri.key else "run"
        raise UserError(
            f"{uri.blamed}: MLflow's database is damaged ({damage}); the records are whole: {way} again with "
            "--track-again to make it from them, or with --track-later to run without it"
        )


def forget_failures(ledger: Ledger, trial_ids: Collection[str] | None = None) -> None:
    """Remove the records of trials that failed (of those named), so that they run again."""
    for entry in ledger.entries().values():
        if entry.state == "failed" and (trial_ids is None or entry.id in trial_ids):
            ledger.remove(entry.id)


def _count_planned(planner: Planner, planned: list[Trial], loss: Entry) -> dict[Design, int]:
    """Trials of a loss by design."""
    counts = Counter(trial.design for trial in planned if trial.label == loss.label)
    pairs: dict[Design, int] = {"pair": counts["pair"]} if counts["pair"] else {}
    return {"sweep": counts["sweep"], **pairs, "sobol": counts["sobol"], **planner.num_search_trials(loss)}
