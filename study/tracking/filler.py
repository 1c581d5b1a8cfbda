"""One MLflow experiment, filled record by record.

One experiment a study, one parent run a loss, one child run a trial. Runs are found by trial id, so filling twice
changes nothing. A server that does not answer never stops a sweep: what is missing is caught up later.
"""

import json
import math
from collections.abc import Callable
from typing import Any, TypeGuard

from study.records.record import TrialRecord
from study.tracking.database import client, make_database, template
from study.tracking.messages import Setup
from study.tracking.read import trial_runs
from study.tracking.tags import PREFIX, result_tags, run_name, study_tags, trial_tags
from trainables import Trial

STATUS = {"done": "FINISHED", "diverged": "FINISHED", "failed": "FAILED", "censored": "KILLED"}
BATCH = {"metrics": 1000, "params": 100}
MAX_CURVE_POINTS = 10
"""MLflow spends a millisecond on every two metrics; the ledger keeps every epoch, MLflow each n-th and the last."""


class Filler:
    """Fills one MLflow experiment, a record after the other."""

    def __init__(self, setup: Setup, on_outage: Callable[[str], None]) -> None:
        self.setup, self.on_outage = setup, on_outage
        self.missed: list[TrialRecord] = []
        self.runs: dict[str, tuple[str, str]] = {}
        self.parents: dict[str, str] = {}
        self.down = False

    def warm(self) -> None:
        """Do what takes seconds and needs no study yet: import MLflow, let it build its tables and queries."""
        if self.setup.database:
            client(f"sqlite:///{template(self.setup.templates)}").search_experiments(max_results=1)

    def check(self) -> str | None:
        """None when the server answers, else what it said."""
        try:
            client(self.setup.uri).search_experiments(max_results=1)
        except Exception as error:
            return _first_line(error)
        return None

    def start(self, facts: dict[str, Any], retired: set[str]) -> None:
        """Open the experiment; runs of `retired` trials are deleted (MLflow keeps them until they are purged)."""
        self.facts = facts
        self._try(self._open)
        self._try(lambda: self._delete(retired))

    def fill(self, record: TrialRecord) -> None:
        """Track a record, unless the server is down."""
        if not self._try(lambda: self._log(record)):
            self.missed.append(record)

    def finish(self) -> int:
        """Try again what was missed, close the parent runs; returns how many trials are still missing."""
        if self.missed or self.down:
            self.down = False
            missed, self.missed = self.missed, []
            self._try(self._open)
            for record in missed:
                self.fill(record)
        if not self.down:
            self._try(self._close_parents)
        return len(self.missed)

    def _open(self) -> None:
        if self.setup.database:
            make_database(self.setup.database, self.setup.templates)
        self.client = client(self.setup.uri)
        found = self.client.get_experiment_by_name(self.setup.study)
        self.experiment = (
            found.experiment_id
            if found
            else self.client.create_experiment(self.setup.study, artifact_location=self.setup.artifacts)
        )
        for key, value in study_tags(self.facts).items():
            self.client.set_experiment_tag(self.experiment, key, value)
        self.runs = _known_runs(self.client, self.experiment)
        parents = self.client.search_runs([self.experiment], f"tags.`{PREFIX}kind` = 'loss'", max_results=1000)
        self.parents = {run.data.tags[f"{PREFIX}loss"]: run.info.run_id for run in parents}
        for label in self.facts["losses"]:
            self._parent(label)

    def _delete(self, retired: set[str]) -> None:
        for trial_id in retired & self.runs.keys():
            self.client.delete_run(self.runs.pop(trial_id)[0])

    def _try(self, action: Callable[[], object]) -> bool:
        """Run an action unless the server is known to be down; True when it went well."""
        if self.down:
            return False
        try:
            action()
        except Exception as error:
            self.down = True
            self.on_outage(_first_line(error))
            return False
        return True

    def announce(self, trials: list[Trial], now: float) -> None:
        """Open the runs of trials that are about to run: MLflow shows them as running."""
        self._try(lambda: [self._run(trial, now) for trial in trials])

    def _run(self, trial: Trial, started: float) -> str:
        """The id of the trial's run, found or created."""
        trial_id = trial.id
        if trial_id not in self.runs:
            run = self.client.create_run(
                self.experiment,
                start_time=int(started * 1000),
                run_name=run_name(trial),
                tags=trial_tags(trial) | {"mlflow.parentRunId": self._parent(trial.label)},
            )
            self.runs[trial_id] = (run.info.run_id, "RUNNING")
        return self.runs[trial_id][0]

    def _log(self, record: TrialRecord) -> None:
        """Log everything of a trial once and close its run. Times come from the record: repeatable."""
        from mlflow.entities import RunTag

        status = STATUS[record.state]
        if self.runs.get(record.id, ("", ""))[1] == status:
            return
        run_id, ended = self._run(record.trial, record.started), int(record.ended * 1000)
        tags = [RunTag(key, value) for key, value in result_tags(record).items()]
        metrics, params = _metrics(record, ended), _params(record)
        while metrics or params or tags:
            self.client.log_batch(run_id, metrics[: BATCH["metrics"]], params[: BATCH["params"]], tags)
            metrics, params, tags = metrics[BATCH["metrics"] :], params[BATCH["params"] :], []
        self.client.set_terminated(run_id, status, end_time=ended)
        self.runs[record.id] = (run_id, status)

    def _parent(self, label: str) -> str:
        if label not in self.parents:
            tags = {f"{PREFIX}kind": "loss", f"{PREFIX}loss": label}
            self.parents[label] = self.client.create_run(self.experiment, run_name=label, tags=tags).info.run_id
        return self.parents[label]

    def _close_parents(self) -> None:
        for run_id in self.parents.values():
            self.client.set_terminated(run_id, "FINISHED")


def _known_runs(client: Any, experiment: str) -> dict[str, tuple[str, str]]:
    return {
        run.data.tags[f"{PREFIX}trial_id"]: (run.info.run_id, run.info.status) for run in trial_runs(client, experiment)
    }


def _metrics(record: TrialRecord, timestamp: int) -> list[Any]:
    from mlflow.entities import Metric

    values = [Metric(key, value, timestamp, 0) for key, value in record.metrics.items() if _is_finite(value)]
    for name, curve in record.curves.items():
        stride = math.ceil(len(curve) / MAX_CURVE_POINTS)
        values += [
            Metric(f"curve_{name}", value, timestamp, epoch)
            for epoch, value in enumerate(curve, start=1)
            if _is_finite(value) and (len(curve) - epoch) % stride == 0
        ]
    return values


def _params(record: TrialRecord) -> list[Any]:
    from mlflow.entities import Param

    return [Param(name, json.dumps(value)) for name, value in record.trial.setting.items()]


def _is_finite(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
