"""The runs that MLflow has of a study already."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from evenkeel.study.tracking.messages import Start
from evenkeel.study.tracking.reader import runs_of
from evenkeel.study.tracking.tags import CURRENT_LAYOUT, LAYOUT, TRIAL_ID

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

Say = Callable[[str], None]


class Known(NamedTuple):
    """A run that MLflow has."""

    run: str
    status: str


def current_runs(client: "MlflowClient", experiment: str, kind: str, say: Say) -> "Iterator[Run]":
    """Runs as this version logs them, page by page; when all are read, those of an earlier one leave."""
    old = []
    for run in runs_of(client, experiment, kind):
        if run.data.tags.get(LAYOUT) == CURRENT_LAYOUT:
            yield run
        else:
            old.append(run.info.run_id)
    for run_id in old:
        client.delete_run(run_id)
    if old:
        say(f"{len(old)} runs of an earlier evenkeel in MLflow are logged again")


def known_runs(client: "MlflowClient", experiment: str, begun: Start, say: Say) -> dict[str, Known]:
    """By trial id. Of two runs of one trial (a driver died, another began) the finished one stays."""
    known: dict[str, Known] = {}
    doubled = []
    for run in current_runs(client, experiment, "trial", say):
        trial_id, one = run.data.tags[TRIAL_ID], Known(run.info.run_id, run.info.status)
        if not begun.has(trial_id):
            continue
        if other := known.get(trial_id):
            one, other = (other, one) if other.status == "FINISHED" else (one, other)
            doubled.append(other.run)
        known[trial_id] = one
    for run_id in doubled:
        client.delete_run(run_id)
    return known
