"""One MLflow experiment, filled record by record.

One experiment a study, one parent run a loss, one child run a trial. Runs are found by trial id, so filling twice
changes nothing. A server that does not answer never stops a sweep: it is asked again, less and less often, and what is
missing in the end is filled by the next run.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from filelock import FileLock

from evenkeel.study.file.header import SQLITE, in_address
from evenkeel.study.records.record import TrialRecord
from evenkeel.study.tracking.artifacts import delete_with_files, log_data_set, log_file
from evenkeel.study.tracking.database import analyze, client, first_line, gather, make_database, template
from evenkeel.study.tracking.existing_runs import ExistingRun, find_existing_runs, iterate_current_runs
from evenkeel.study.tracking.experiment import TRAINING, make_experiment_tags, open_experiment
from evenkeel.study.tracking.message_queue import MessageQueue
from evenkeel.study.tracking.messages import (
    Answer,
    Attach,
    Notice,
    Opened,
    OpenExperiment,
    Outage,
    Recovered,
    Setup,
    Submit,
    Summary,
    from_line,
    to_line,
)
from evenkeel.study.tracking.reader import iterate_runs
from evenkeel.study.tracking.tags import (
    CURRENT_LAYOUT,
    FACTS,
    KIND,
    LAYOUT,
    NO_NOTE,
    NOTE,
    STATUS,
    make_metric_points,
    make_params,
    make_result_tags,
    make_run_name,
    make_trial_tags,
    split_into_tags,
)
from evenkeel.trainables import Trial

METRICS_A_CALL, PARAMS_A_CALL = 1000, 100
REFUSED = "INVALID_PARAMETER_VALUE"
MANY_RUNS = 500
"""From so many on an sqlite database is told how its rows are spread."""
NUM_RECENT = 256
"""Trials of at least two seconds; PostgreSQL writes what was committed to the disk within 0.6."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 120.0


class RunWriter:
    """Fills one MLflow experiment. `tell` hears of it: `Outage`, `Recovered`, `Opened`, `Said`."""

    def __init__(self, setup: Setup, tell: Callable[[Answer], None]) -> None:
        self.setup, self.tell = setup, tell
        self.missed = MessageQueue(setup.templates)
        self.last: deque[tuple[TrialRecord, Sequence[str]]] = deque(maxlen=NUM_RECENT)
        self.num_refused = 0
        self.unattached: list[Attach] = []
        self.runs: dict[str, ExistingRun] = {}
        self.parents: dict[str, str] = {}
        self.begun: OpenExperiment | None = None
        self.classes: list[str] = []
        self.down = self.opened = self.ever_opened = self.keeps_no_files = False
        self.pause, self.again_at = FIRST_PAUSE_S, 0.0

    def warm(self) -> None:
        """Do what takes seconds and needs no study yet: import MLflow, let it build its tables and queries."""
        if self.setup.database:
            client(f"{SQLITE}{in_address(template(self.setup.templates))}").search_experiments(max_results=1)

    def check(self) -> str | None:
        """None when the server answers, else what it said."""
        try:
            client(self.setup.uri).search_experiments(max_results=1)
        except Exception as error:
            return first_line(error)
        return None

    def start(self, begun: OpenExperiment) -> None:
        """Open the experiment; runs of retired trials are deleted (MLflow keeps them until they are purged)."""
        self.begun, self.classes = begun, begun.about.classes
        self._try(self._open)

    def announce(self, trials: list[Trial], now: float) -> None:
        """Open the runs of trials that are about to run: MLflow shows them as running."""
        self._try(lambda: [self._run(trial, now, {}) for trial in trials])

    def fill(self, record: TrialRecord, files: Sequence[str] = ()) -> None:
        """Track a record, with files that lie beside it, unless the server is down."""
        if not self._try(lambda: self._log_unless_refused(record, files)):
            self.missed.put(to_line(Submit(record, list(files))))

    def retire(self, trial_ids: Sequence[str]) -> None:
        """Delete the runs of retired trials; of a server that does not answer, the next run does."""
        self._try(lambda: self._retire(trial_ids))

    def attach(self, order: Attach) -> None:
        """Files of a loss, or of the study; with a word where MLflow's place for files cannot be reached."""
        if not self._try(lambda: self._attach(order)):
            self.unattached.append(order)

    def summarize(self, summaries: dict[str, Summary]) -> None:
        """What the parents show, by loss."""
        self._try(lambda: self._summarize(summaries))

    def wait_s(self) -> float | None:
        """How long until the server is asked again; None when nothing is missing."""
        return max(0.0, self.again_at - time.monotonic()) if self.down else None

    def retry(self, *, at_once: bool = False) -> int:
        """Ask a server that did not answer again, when it is time; returns how many trials are still missing."""
        if self.down and (at_once or time.monotonic() >= self.again_at):
            self.down = False
            if self._try(self._open):
                self._fill_last_again()
        while self.missed and not self.down:
            submit = from_line(self.missed.first())
            assert isinstance(submit, Submit)
            if self._try(partial(self._log_unless_refused, submit.record, submit.files)):
                self.missed.get()
        waiting, self.unattached = self.unattached, []
        for order in waiting:
            self.attach(order)
        if not self.down and self.pause > FIRST_PAUSE_S:
            self.pause = FIRST_PAUSE_S
            self.tell(Recovered())
        return len(self.missed) + self.num_refused

    def close(self) -> None:
        """The parents are over."""
        if self.begun and self.begun.number == 0:
            self._try(self._close_parents)
        if self.opened and self.setup.database:
            gather(self.setup.database)

    def _say(self, text: str) -> None:
        self.tell(Notice(text))

    def _close_parents(self) -> None:
        for run in self.parents.values():
            self.client.set_terminated(run, "FINISHED")

    def _try(self, action: Callable[[], object]) -> bool:
        """Run an action unless the server is known to be down; True when it went well."""
        if self.down:
            return False
        try:
            if not self.opened and self.begun and action != self._open:
                self._open()
            action()
        except Exception as error:  # whatever the server, the network or the database says
            self._note_outage(error)
            return False
        return True

    def _note_outage(self, error: Exception) -> None:
        self.down, self.opened = True, False
        self.again_at = time.monotonic() + self.pause
        if self.pause == FIRST_PAUSE_S:
            self.tell(Outage(first_line(error)))
        self.pause = min(2 * self.pause, LONGEST_PAUSE_S)

    def _open(self) -> None:
        """Find or create everything that is not a trial. Several processes that fill one experiment take turns."""
        assert self.begun
        if self.setup.database:
            make_database(self.setup.database, self.setup.templates)
        with FileLock(self.setup.templates / f"{self.begun.identity}.lock"):
            self.client = client(self.setup.uri)  # makes the tables of a new database
            self.experiment = open_experiment(self.client, self.setup, self.begun.identity, self._say)
            self.parents = {
                run.data.tags["loss"]: run.info.run_id
                for run in iterate_current_runs(self.client, self.experiment, "loss", self._say)
            }
            for label in self.parents.keys() - self.begun.about.losses.keys():
                self.client.delete_run(self.parents.pop(label))  # of a loss that the study dropped or calls otherwise
            for label in self.begun.about.losses:
                self._parent(label)
        self.runs = find_existing_runs(self.client, self.experiment, self.begun, self._say)
        self._retire(self.begun.retired)
        if self.begun.number == 0:
            self._describe()
        self.opened = self.ever_opened = True
        self.tell(Opened(self.experiment))

    def _retire(self, trial_ids: Sequence[str]) -> None:
        for trial_id in self.runs.keys() & set(trial_ids):
            self.client.delete_run(self.runs.pop(trial_id).run)

    def _fill_last_again(self) -> None:
        """A server that fell may have lost what it took last, since its commits do not wait for the disk."""
        for _ in range(len(self.last)):
            self.fill(*self.last.popleft())

    def _describe(self) -> None:
        from mlflow.entities import Metric, Param, RunTag

        assert self.begun
        tags = split_into_tags(FACTS, self.begun.facts) | make_experiment_tags(self.begun.about, self.experiment)
        for key, value in tags.items():
            self.client.set_experiment_tag(self.experiment, key, value)
        about = self.begun.about
        for label, text in about.losses.items():
            planned = Metric("trials/planned", about.planned[label], int(time.time() * 1000), 0)
            fixed = [Param(key, value) for key, value in about.fixed.get(label, {}).items()]
            self.client.log_batch(self._parent(label), [planned], fixed, [RunTag(NOTE, text)])

    def _run(self, trial: Trial, started: float, tags: dict[str, str]) -> str:
        """The id of the trial's run, found or created (then with `tags` at once)."""
        if trial.id not in self.runs:
            run = self.client.create_run(
                self.experiment,
                start_time=int(started * 1000),
                run_name=make_run_name(trial),
                tags=make_trial_tags(trial)
                | self.setup.source
                | {"mlflow.parentRunId": self._parent(trial.label)}
                | tags,
            )
            self.runs[trial.id] = ExistingRun(run.info.run_id, "NEW" if tags else "RUNNING", trial.label)
            log_data_set(self.client, run.info.run_id, trial)
        return self.runs[trial.id].run

    def _log_unless_refused(self, record: TrialRecord, files: Sequence[str]) -> None:
        """A record that MLflow will never take (a metric's name, say) must not keep the others waiting."""
        try:
            self._log(record, files)
        except Exception as error:
            if getattr(error, "error_code", None) != REFUSED:
                raise
            if record.id in self.runs:
                self.client.delete_run(self.runs.pop(record.id).run)  # half a trial
            if not self.num_refused:
                self._say(f"MLflow refuses trial {record.id} of {record.trial.label}: {first_line(error)}")
            self.num_refused += 1

    def _log(self, record: TrialRecord, files: Sequence[str]) -> None:
        """Log everything of a trial once and close its run. Times come from the record: repeatable."""
        from mlflow.entities import Metric, Param, RunTag

        status, tags = STATUS[record.state], make_result_tags(record)
        before = self._find_run(record)
        if before and before.status == status:
            return
        if before and before.status != "RUNNING":
            tags = NO_NOTE | tags
        run, ended = self._run(record.trial, record.started, tags), int(record.ended * 1000)
        metrics = [Metric(key, value, ended, step) for key, value, step in make_metric_points(record, self.classes)]
        words = [Param(key, value) for key, value in make_params(record.trial).items()]
        late = [RunTag(key, value) for key, value in tags.items()] if before else []
        while metrics or words or late:
            self.client.log_batch(run, metrics[:METRICS_A_CALL], words[:PARAMS_A_CALL], late)
            metrics, words, late = metrics[METRICS_A_CALL:], words[PARAMS_A_CALL:], []
        for url in files:
            self._keep(lambda url=url: log_file(self.client, run, url))  # type: ignore[misc]
        self.client.set_terminated(run, status, end_time=ended)
        self.runs[record.id] = ExistingRun(run, status, record.trial.label)
        self.last.append((record, files))

    def _find_run(self, record: TrialRecord) -> ExistingRun | None:
        """The run of a trial that MLflow has; one under a former label of its loss is logged again."""
        before = self.runs.get(record.id)
        if before and before.label != record.trial.label:
            self.client.delete_run(self.runs.pop(record.id).run)
            return None
        return before

    def _parent(self, label: str) -> str:
        if label not in self.parents:
            tags = {KIND: "loss", LAYOUT: CURRENT_LAYOUT, "loss": label, **self.setup.source}
            self.parents[label] = self.client.create_run(self.experiment, run_name=label, tags=tags).info.run_id
        return self.parents[label]

    def _attach(self, order: Attach) -> None:
        run = self._study_run() if order.label is None else self._parent(order.label)
        self._keep(lambda: self.client.log_artifacts(run, str(order.folder)))

    def _keep(self, log: Callable[[], None]) -> None:
        """A server may keep runs and have no place for files that this machine reaches: that stops nothing."""
        try:
            log()
        except Exception as error:  # whatever that place says
            if not self.keeps_no_files:
                self._say(f"MLflow shows no files, its place for them cannot be written ({first_line(error)})")
            self.keeps_no_files = True

    def _study_run(self) -> str:
        """The run that shows the study's files: the newest of all, so that it stands on top of MLflow's first page."""
        former = list(iterate_runs(self.client, self.experiment, "study"))
        newest = self.client.search_runs([self.experiment], max_results=1, order_by=["attributes.start_time DESC"])
        if newest and newest[0].info.run_id in {run.info.run_id for run in former}:
            return newest[0].info.run_id
        assert self.begun
        tags = {KIND: "study", LAYOUT: CURRENT_LAYOUT, **self.setup.source}
        place = f"#/experiments/{self.experiment}/runs"
        losses = (f"- [{label}]({place}/{run}?{TRAINING})" for label, run in self.parents.items())
        tags[NOTE] = "\n".join(
            [make_experiment_tags(self.begun.about, self.experiment)[NOTE], "", "Losses:", "", *losses]
        )
        run = self.client.create_run(self.experiment, run_name=f"{self.setup.study}: report", tags=tags).info.run_id
        self.client.set_terminated(run, "FINISHED")
        for old in former:
            delete_with_files(self.client, old)
        return run

    def _summarize(self, summaries: dict[str, Summary]) -> None:
        from mlflow.entities import Metric, RunTag

        now = int(time.time() * 1000)
        for label, summary in summaries.items():
            metrics = [Metric(key, value, now, 0) for key, value in summary.numbers.items()]
            tags = [RunTag(key, value) for key, value in summary.words.items()]
            self.client.log_batch(self._parent(label), metrics, tags=tags)
        if self.setup.database and len(self.runs) >= MANY_RUNS:
            analyze(self.setup.database)
