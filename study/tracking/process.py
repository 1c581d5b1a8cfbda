"""MLflow, filled from the ledger. The only module that imports mlflow.

One experiment a study, one parent run a loss, one child run a trial. Runs are found by trial id, so filling twice
changes nothing. A server that does not answer never stops a sweep: what is missing is caught up later.

A run fills from a process of its own (`python -m study.tracking.process`, driven by study.tracking.driver over its
standard streams, one JSON object a line): MLflow takes seconds to import and tens of milliseconds a trial.
"""

import json
import logging
import math
import os
import queue
import shutil
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeGuard

from filelock import FileLock

from study.records.record import TrialRecord
from study.tracking.tags import PREFIX, result_tags, run_name, study_tags, trial_tags
from trainables import Trial

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ.setdefault("MLFLOW_ALEMBIC_LOG_LEVEL", "ERROR")

STATUS = {"done": "FINISHED", "diverged": "FINISHED", "failed": "FAILED", "censored": "KILLED"}
BATCH = {"metrics": 1000, "params": 100}
MAX_CURVE_POINTS = 10
"""MLflow spends a millisecond on every two metrics; the ledger keeps every epoch, MLflow each n-th and the last."""


class Filler:
    """Fills one MLflow experiment, a record after the other."""

    def __init__(
        self, uri: str, study: str, *, artifacts: str | None, templates: Path, on_outage: Callable[[str], None]
    ) -> None:
        self.templates = templates
        self.uri, self.study, self.artifacts, self.on_outage = uri, study, artifacts, on_outage
        self.missed: list[TrialRecord] = []
        self.runs: dict[str, tuple[str, str]] = {}
        self.parents: dict[str, str] = {}
        self.down = False

    def warm(self) -> None:
        """Do what takes seconds and needs no study yet: import MLflow, let it build its tables and queries."""
        if self.uri.startswith("sqlite:///"):
            _client(f"sqlite:///{_template(self.templates)}").search_experiments(max_results=1)

    def check(self) -> str | None:
        """None when the server answers, else what it said."""
        try:
            _client(self.uri).search_experiments(max_results=1)
        except Exception as error:
            return _first_line(error)
        return None

    def start(self, study: dict[str, Any], retired: set[str]) -> None:
        """Open the experiment; runs of `retired` trials are deleted (MLflow keeps them until they are purged)."""
        self._try(lambda: self._open(study))
        self._try(lambda: self._delete(retired))

    def fill(self, record: TrialRecord) -> None:
        """Track a record, unless the server is down."""
        if not self._try(lambda: self._log(record)):
            self.missed.append(record)

    def finish(self, study: dict[str, Any]) -> int:
        """Try again what was missed, close the parent runs; returns how many trials are still missing."""
        if self.missed or self.down:
            self.down = False
            missed, self.missed = self.missed, []
            self._try(lambda: self._open(study))
            for record in missed:
                self.fill(record)
        if not self.down:
            self._try(self._close_parents)
        return len(self.missed)

    def _open(self, study: dict[str, Any]) -> None:
        _database_from_template(self.uri, self.templates)
        self.client = _client(self.uri)
        found = self.client.get_experiment_by_name(self.study)
        self.experiment = (
            found.experiment_id
            if found
            else self.client.create_experiment(self.study, artifact_location=self.artifacts)
        )
        for key, value in study_tags(study).items():
            self.client.set_experiment_tag(self.experiment, key, value)
        self.runs = _known_runs(self.client, self.experiment)
        parents = self.client.search_runs([self.experiment], f"tags.`{PREFIX}kind` = 'loss'", max_results=1000)
        self.parents = {run.data.tags[f"{PREFIX}loss"]: run.info.run_id for run in parents}
        for label in study["losses"]:
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


def read_experiment(uri: str, study: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(study, one flat dictionary a trial) from an MLflow experiment alone. Raises LookupError when there is none."""
    client = _client(uri)
    experiment = client.get_experiment_by_name(study)
    if experiment is None:
        raise LookupError(f"{uri}: no MLflow experiment {study!r}")
    num = int(experiment.tags[f"{PREFIX}study.pieces"])
    contents = json.loads("".join(experiment.tags[f"{PREFIX}study.{i:02d}"] for i in range(num)))
    return contents, [
        _flat(run) for run in _search(client, experiment.experiment_id) if f"{PREFIX}state" in run.data.tags
    ]


def _flat(run: Any) -> dict[str, Any]:
    tags = {key.removeprefix(PREFIX): value for key, value in run.data.tags.items() if key.startswith(PREFIX)}
    return {
        "tags": tags,
        "hyperparameters": {key: json.loads(value) for key, value in run.data.params.items()},
        "metrics": {k: v for k, v in run.data.metrics.items() if not k.startswith("curve_")},
    }


def _database_from_template(uri: str, templates: Path) -> None:
    """A new sqlite database as a copy of an empty one: MLflow needs seconds to make its tables, once per version."""
    path = Path(uri.removeprefix("sqlite:///"))
    if not uri.startswith("sqlite:///") or path.exists():
        return
    copied = path.with_name(f".{path.name}.{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_template(templates), copied)
    copied.replace(path)


def _template(templates: Path) -> Path:
    from mlflow.version import VERSION

    templates.mkdir(parents=True, exist_ok=True)
    template = templates / f"mlflow-{VERSION}.db"
    with FileLock(f"{template}.lock"):
        if not template.exists():
            made = templates / f".{template.name}.{os.getpid()}"
            _client(f"sqlite:///{made}").search_experiments(max_results=1)
            made.replace(template)
    return template


def _client(uri: str) -> Any:
    from mlflow import MlflowClient

    for name in ("mlflow", "mlflow.store.db.utils", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return MlflowClient(tracking_uri=uri)


def _search(client: Any, experiment: str) -> Iterable[Any]:
    token = None
    while True:
        page = client.search_runs([experiment], f"tags.`{PREFIX}kind` = 'trial'", max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _known_runs(client: Any, experiment: str) -> dict[str, tuple[str, str]]:
    return {
        run.data.tags[f"{PREFIX}trial_id"]: (run.info.run_id, run.info.status) for run in _search(client, experiment)
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

    return [Param(name, json.dumps(value)) for name, value in record.trial.hyperparameters.items()]


def _is_finite(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__


def serve() -> None:
    """Do what the lines on standard input say, until they end; then leave at once, whatever is still waiting."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what MLflow prints must not pass for an answer

    def answer(**message: Any) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    waiting: queue.Queue[dict[str, Any]] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            waiting.put(json.loads(line))
        os._exit(0)  # the driver is gone: the ledger has everything, and the next run may already be filling

    threading.Thread(target=read, daemon=True).start()
    setup = waiting.get()
    filler = Filler(**setup | {"templates": Path(setup["templates"])}, on_outage=lambda text: answer(outage=text))
    filler.warm()
    while True:
        match waiting.get():
            case {"check": _}:
                answer(problem=filler.check())
            case {"start": study, "retired": retired}:
                filler.start(study, set(retired))
            case {"announce": trials, "now": now}:
                filler.announce([Trial(**trial) for trial in trials], now)
            case {"record": record}:
                filler.fill(TrialRecord.from_json(record))
            case {"finish": study}:
                answer(missing=filler.finish(study))


if __name__ == "__main__":
    serve()
