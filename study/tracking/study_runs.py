"""What a study writes into its MLflow experiment.

One experiment a study, one parent run a loss, one child run a trial. Runs are found by trial id, so filling twice
changes nothing.
"""

import time
from collections.abc import Callable, Sequence

from filelock import FileLock

from evenkeel.study.records.record import TrialRecord
from evenkeel.study.tracking.artifacts import delete_with_files, log_data_set, log_file
from evenkeel.study.tracking.database import analyze, client, first_line, make_database
from evenkeel.study.tracking.existing_runs import ExistingRun, find_existing_runs, iterate_current_runs
from evenkeel.study.tracking.experiment import TRAINING, make_experiment_tags, open_experiment
from evenkeel.study.tracking.messages import Attach, OpenExperiment, Setup, Summary
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
MANY_RUNS = 500
"""From so many on an sqlite database is told how its rows are spread."""


class StudyRuns:
    """The runs of a study, from the first `open` on; every method raises what the server says. `say` tells a user."""

    def __init__(self, setup: Setup, begun: OpenExperiment, say: Callable[[str], None]) -> None:
        self.setup, self.begun, self.say = setup, begun, say
        self.runs: dict[str, ExistingRun] = {}
        self.parents: dict[str, str] = {}
        self.keeps_no_files = False

    def open(self) -> str:
        """Find or create everything that is not a trial, as often as wanted; returns the experiment's id.

        Several processes that fill one experiment take turns. Runs of retired trials leave.
        """
        if self.setup.database:
            make_database(self.setup.database, self.setup.templates)
        with FileLock(self.setup.templates / f"{self.begun.identity}.lock"):
            self.client = client(self.setup.uri)  # makes the tables of a new database
            self.experiment = open_experiment(self.client, self.setup, self.begun.identity, self.say)
            self.parents = {
                run.data.tags["loss"]: run.info.run_id
                for run in iterate_current_runs(self.client, self.experiment, "loss", self.say)
            }
            for label in self.parents.keys() - self.begun.about.losses.keys():
                self.client.delete_run(self.parents.pop(label))  # of a loss that the study dropped or calls otherwise
            for label in self.begun.about.losses:
                self._parent(label)
        self.runs = find_existing_runs(self.client, self.experiment, self.begun, self.say)
        self.retire(self.begun.retired)
        if self.begun.number == 0:
            self._describe()
        return self.experiment

    def announce(self, trials: Sequence[Trial], now: float) -> None:
        """Runs of trials that are about to run: MLflow shows them as running."""
        for trial in trials:
            self._run(trial, now, {})

    def log(self, record: TrialRecord, files: Sequence[str]) -> bool:
        """Log everything of a trial once and close its run; False when that was done already.

        Times come from the record: repeatable.
        """
        from mlflow.entities import Metric, Param, RunTag

        status, tags = STATUS[record.state], make_result_tags(record)
        before = self._find_run(record)
        if before and before.status == status:
            return False
        if before and before.status != "RUNNING":
            tags = NO_NOTE | tags
        run, ended = self._run(record.trial, record.started, tags), int(record.ended * 1000)
        metrics = [
            Metric(key, value, ended, step) for key, value, step in make_metric_points(record, self.begun.about.classes)
        ]
        words = [Param(key, value) for key, value in make_params(record.trial).items()]
        late = [RunTag(key, value) for key, value in tags.items()] if before else []
        while metrics or words or late:
            self.client.log_batch(run, metrics[:METRICS_A_CALL], words[:PARAMS_A_CALL], late)
            metrics, words, late = metrics[METRICS_A_CALL:], words[PARAMS_A_CALL:], []
        for url in files:
            self._keep(lambda url=url: log_file(self.client, run, url))  # type: ignore[misc]
        self.client.set_terminated(run, status, end_time=ended)
        self.runs[record.id] = ExistingRun(run, status, record.trial.label)
        return True

    def forget(self, trial_id: str) -> None:
        """Delete the run of a trial, where there is one: half of it may be logged."""
        if trial_id in self.runs:
            self.client.delete_run(self.runs.pop(trial_id).run)

    def retire(self, trial_ids: Sequence[str]) -> None:
        """Delete the runs of trials that are no part of the study; MLflow keeps them until they are purged."""
        for trial_id in self.runs.keys() & set(trial_ids):
            self.forget(trial_id)

    def attach(self, order: Attach) -> None:
        """Files of a loss, or of the study; with a word where MLflow's place for files cannot be reached."""
        run = self._study_run() if order.label is None else self._parent(order.label)
        self._keep(lambda: self.client.log_artifacts(run, str(order.folder)))

    def summarize(self, summaries: dict[str, Summary]) -> None:
        """What the parents show, by loss."""
        from mlflow.entities import Metric, RunTag

        now = int(time.time() * 1000)
        for label, summary in summaries.items():
            metrics = [Metric(key, value, now, 0) for key, value in summary.numbers.items()]
            tags = [RunTag(key, value) for key, value in summary.words.items()]
            self.client.log_batch(self._parent(label), metrics, tags=tags)
        if self.setup.database and len(self.runs) >= MANY_RUNS:
            analyze(self.setup.database)

    def close(self) -> None:
        """The parents are over."""
        for run in self.parents.values():
            self.client.set_terminated(run, "FINISHED")

    def _describe(self) -> None:
        from mlflow.entities import Metric, Param, RunTag

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

    def _find_run(self, record: TrialRecord) -> ExistingRun | None:
        """The run of a trial that MLflow has; one under a former label of its loss is logged again."""
        before = self.runs.get(record.id)
        if before and before.label != record.trial.label:
            self.forget(record.id)
            return None
        return before

    def _parent(self, label: str) -> str:
        if label not in self.parents:
            tags = {KIND: "loss", LAYOUT: CURRENT_LAYOUT, "loss": label, **self.setup.source}
            self.parents[label] = self.client.create_run(self.experiment, run_name=label, tags=tags).info.run_id
        return self.parents[label]

    def _keep(self, log: Callable[[], None]) -> None:
        """A server may keep runs and have no place for files that this machine reaches: that stops nothing."""
        try:
            log()
        except Exception as error:  # whatever that place says
            if not self.keeps_no_files:
                self.say(f"MLflow shows no files, its place for them cannot be written ({first_line(error)})")
            self.keeps_no_files = True

    def _study_run(self) -> str:
        """The run that shows the study's files: the newest of all, so that it stands on top of MLflow's first page."""
        former = list(iterate_runs(self.client, self.experiment, "study"))
        newest = self.client.search_runs([self.experiment], max_results=1, order_by=["attributes.start_time DESC"])
        if newest and newest[0].info.run_id in {run.info.run_id for run in former}:
            return newest[0].info.run_id
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
