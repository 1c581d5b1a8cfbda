"""A study in Python: loaded from a file or written as keywords, planned, run, and looked at."""

from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evenkeel.study.errors import UserError
from evenkeel.study.file.locations import Storage
from evenkeel.study.file.read import check_study, load_study
from evenkeel.study.file.study import StudyConfig
from evenkeel.study.process_setup import set_up
from evenkeel.study.recorded_study import RecordedStudy
from evenkeel.trainables.own_code import use_folders

if TYPE_CHECKING:
    import pandas as pd

    from evenkeel.reports.figures.drawing import go
    from evenkeel.study.run.interfaces import Display


class Study:
    """A study as its file describes it: `Study(extends="demo", name="mine", seeds=3)`, or one mapping of the same keys.

    Keys are those of a study file (docs/study_files.md); paths among them start at the working folder. A variant is
    another study. Raises UserError for what is not valid, a line a problem; nothing is written or started.
    """

    def __init__(self, contents: Mapping[str, Any] | None = None, /, **keys: Any) -> None:
        self._python_path = set_up("")
        self.config = check_study({**(contents or {}), **keys})

    @classmethod
    def _from(cls, config: StudyConfig, python_path: list[str]) -> "Study":
        study = cls.__new__(cls)
        study.config, study._python_path = config, python_path
        return study

    def __repr__(self) -> str:
        return f"<evenkeel.Study {self.config.name}: records in {self.storage}>"

    @property
    def storage(self) -> str:
        """Where the records lie: an absolute path, or a URL."""
        return str(Storage.resolve(self.config, None))

    def plan(self) -> "pd.DataFrame":
        """One row a planned trial: its id, loss, design, seed, what moved, and every setting as `hp.<name>`.

        Trials that a search will propose are not known yet; those of `seeds: {from, to}` and of `levels: {coarse, to}`
        are all that may come to run. Starts nothing. Raises UserError for files of the data or of weights that are
        missing.
        """
        import pandas as pd

        from evenkeel.study.plan.planner import make_planner

        use_folders(self._python_path)
        words = ("trial_id", "loss", "design", "seed", "moved")
        rows = [
            dict(zip(words, (trial.id, trial.label, trial.design, trial.seed, trial.moved), strict=True))
            | {f"hp.{name}": value for name, value in trial.setting.items()}
            for trial in make_planner(self.config).planned()
        ]
        return pd.DataFrame(rows)

    def run(
        self,
        *,
        workers: int | None = None,
        address: str | None = None,
        serial: bool = False,
        tracking_uri: str | None = None,
        track_later: bool = False,
        accept_changes: bool = False,
        retry_failed: bool = False,
        keep_going: bool = False,
    ) -> RecordedStudy:
        """Run what is missing, with a progress bar, and return what is recorded; the options are those of the command.

        `workers` processes (all there is room for if None) run here, or on the Ray cluster at `address` (`auto`, or
        host:port of its head); when `serial`, this process alone without Ray. `tracking_uri` is that of MLflow (a
        database in the study's folder if None); `track_later` runs even if it does not answer. `accept_changes` sets
        trials of a former study file aside, `retry_failed` runs failed trials again, and `keep_going` goes on even if
        all fail alike from the start. Trials that fail raise nothing: `table` shows their state.

        Raises UserError before anything starts when something is wrong, ClusterError for a cluster that gave up.
        """
        from evenkeel.study.run import engine
        from evenkeel.study.run.closing import closing_lines
        from evenkeel.study.run.runners import check_workers, runner_of

        use_folders(self._python_path)
        check_workers(workers, address)
        display = _make_display()
        options = engine.RunOptions(
            tracking_uri=tracking_uri,
            track_later=track_later,
            accept_changes=accept_changes,
            retry_failed=retry_failed,
            keep_going=keep_going,
            python_path=tuple(self._python_path),
        )
        outcome = engine.run_study(
            self.config,
            options,
            lambda storage: runner_of(self.config, storage, serial=serial, address=address, workers=workers),
            display,
        )
        for line in closing_lines(outcome):
            display.say(line)
        return self.recorded

    @property
    def recorded(self) -> RecordedStudy:
        """What is recorded by now, read anew. Raises UserError before the first run."""
        return RecordedStudy(self.storage)

    @property
    def table(self) -> "pd.DataFrame":
        """The recorded trials, one row each; see `RecordedStudy.table`. Raises UserError before the first run."""
        return self.recorded.table

    @property
    def verdicts(self) -> "pd.DataFrame":
        """The verdicts by now; see `RecordedStudy.verdicts`. Raises UserError before the first run."""
        return self.recorded.verdicts

    def figure(self, name: str, metric: str | None = None) -> "go.Figure":
        """A figure of the report; see `RecordedStudy.figure`. Raises UserError before the first run too."""
        return self.recorded.figure(name, metric)

    def report(self, path: str | PathLike[str] | None = None) -> Path:
        """Write the page and return its path; see `RecordedStudy.report`. Raises UserError before the first run too."""
        return self.recorded.report(path)

    def _repr_html_(self) -> str:
        """The answer as a notebook shows it; before the first run, how many trials are planned."""
        try:
            return self.recorded._repr_html_()
        except UserError:
            counts = self.plan().groupby(["loss", "design"], sort=False).size().unstack(fill_value=0)
            return f"<h4>{self.config.name}: nothing is recorded yet; planned are</h4>{counts.to_html()}"


def _make_display() -> "Display":
    from evenkeel.study.run.display import make_display
    from evenkeel.study.run.notebook_display import NotebookDisplay, in_notebook

    return NotebookDisplay() if in_notebook() else make_display()


def load(study: str | PathLike[str], changes: Mapping[str, Any] | None = None) -> Study:
    """The study of a file (`study.yaml`) or a preset's name, with `changes` by dotted key: `{"trainable.epochs": 5}`.

    Runs the user's own modules that the file names; starts no trial. Raises UserError for a file that is not there or
    not valid.
    """
    name = fspath(study)
    python_path = set_up(name)
    return Study._from(load_study(name, changes=changes), python_path)


def plan(study: str | PathLike[str]) -> "pd.DataFrame":
    """`load(study).plan()`: one row a planned trial, see `Study.plan`. Raises UserError as `load` does."""
    return load(study).plan()


def run(study: str | PathLike[str], **options: Any) -> RecordedStudy:
    """`load(study).run(...)`: run what is missing and return what is recorded; `options` are those of `Study.run`.

    Raises UserError for a study that is not valid or cannot start, ClusterError for a cluster that gave up.
    """
    return load(study).run(**options)


def report(study: str | PathLike[str], path: str | PathLike[str] | None = None) -> Path:
    """`load(study).report(path)`: write the page and return its path, `report.html` beside the records unless given.

    Raises UserError before the first run, and for a place that cannot be written.
    """
    return load(study).report(path)
