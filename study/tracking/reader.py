"""An MLflow experiment, read back as the facts of a study and its records."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from evenkeel.study.records.record import TrialRecord
from evenkeel.study.tracking.database import client as connect
from evenkeel.study.tracking.database import first_line
from evenkeel.study.tracking.tags import FACTS, IDENTITY, KIND, OLD_FACTS, join_tags, read_record

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

RUNS_A_PAGE = 1000


def read_experiment(uri: str, study: str, identity: str | None) -> tuple[dict[str, Any], dict[str, TrialRecord]]:
    """(facts of the study as JSON, records by trial id) from MLflow alone.

    The experiment is known by the study's identity, where that is given, else by its name. Raises LookupError when
    there is none, and ConnectionError when nobody answers.
    """
    experiment = find_experiment(uri, study, identity)
    client = connect(uri)
    try:
        facts = join_tags(FACTS if f"{FACTS}.00" in experiment.tags else OLD_FACTS, experiment.tags)
    except KeyError:
        raise LookupError(f"the MLflow experiment {study!r} was not logged by evenkeel") from None
    runs = (run.data for run in iterate_runs(client, experiment.experiment_id, "trial"))
    return facts, dict(read_record(run.tags, run.params, run.metrics) for run in runs if has_result(run.tags))


def find_experiment(uri: str, study: str, identity: str | None) -> "Experiment":
    """The experiment of a study. Raises as `read_experiment` does."""
    try:
        client = connect(uri)
        experiment = (identity and find_by_identity(client, identity)) or client.get_experiment_by_name(study)
    except Exception as error:  # whatever the server, the network or the database says
        raise ConnectionError(first_line(error)) from error
    if experiment is None or experiment.lifecycle_stage != "active":
        raise LookupError(f"no MLflow experiment {study!r}")
    if identity and experiment.tags.get(IDENTITY, identity) != identity:
        raise LookupError(f"the MLflow experiment {study!r} is of another study of that name")
    return experiment


def has_result(tags: dict[str, str]) -> bool:
    """Whether a run has its result."""
    return "state" in tags or "evenkeel.state" in tags


def find_by_identity(client: "MlflowClient", identity: str) -> "Experiment | None":
    """The experiment of a study, also a renamed or a deleted one."""
    from mlflow.entities import ViewType

    experiments = client.search_experiments(ViewType.ALL, filter_string=f"tags.`{IDENTITY}` = '{identity}'")
    return min(experiments, key=lambda e: e.lifecycle_stage != "active", default=None)


def iterate_runs(client: "MlflowClient", experiment: str, kind: str, *, deleted: bool = False) -> "Iterator[Run]":
    """All runs of a kind, page by page."""
    from mlflow.entities import ViewType

    view = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
    token = None
    while True:
        page = client.search_runs([experiment], f"tags.`{KIND}` = '{kind}'", view, RUNS_A_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
