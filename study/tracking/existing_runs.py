"""The runs that MLflow has of a study already."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from evenkeel.study.tracking.messages import OpenExperiment
from evenkeel.study.tracking.reader import iterate_runs
from evenkeel.study.tracking.tags import CURRENT_LAYOUT, LAYOUT, TRIAL_ID

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

Say = Callable[[str], None]


class ExistingRun(NamedTuple):
    """A run that MLflow has."""

    run: str
    status: str
    label: str


def iterate_current_runs(client: "MlflowClient", experiment: str, kind: str, say: Say) -> "Iterator[Run]":
    """Runs as this version logs them, page by page; when all are read, those of an earlier one leave."""
    old = []
    for run in iterate_runs(client, experiment, kind):
        if run.data.tags.get(LAYOUT) == CURRENT_LAYOUT:
            yield run
        else:
            old.append(run.info.run_id)
    for run_id in old:
        client.delete_run(run_id)
    if old:
        say(f"{len(old)} runs of an earlier evenkeel in MLflow are logged again")


def find_existing_runs(
    client: "MlflowClient", experiment: str, begun: OpenExperiment, say: Say
) -> dict[str, ExistingRun]:
    """By trial id. Of two runs of one trial (a driver died, another began) the finished one stays."""
    runs: dict[str, ExistingRun] = {}
    doubled = []
    for run in iterate_current_runs(client, experiment, "trial", say):
        trial_id, kept = (
            run.data.tags[TRIAL_ID],
            ExistingRun(run.info.run_id, run.info.status, run.data.tags.get("loss", "")),
        )
        if not begun.has(trial_id):
            continue
        if dropped := runs.get(trial_id):
            kept, dropped = (dropped, kept) if dropped.status == "FINISHED" else (kept, dropped)
            doubled.append(dropped.run)
        runs[trial_id] = kept
    for run_id in doubled:
        client.delete_run(run_id)
    return runs
