"""An MLflow experiment that somebody else logged, as runs: parameters, last metrics, tags of the user's."""

from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException

from evenkeel.study.errors import UserError

MAX_RUNS = 1_000_000


def read_foreign_experiment(
    name: str, tracking_uri: str | None
) -> tuple[pd.DataFrame, list[str], list[str], list[str]]:
    """The runs as MLflow's own frame, the columns of parameters and of metrics, and what was left out.

    A run that other runs name as their parent, and that has not their metrics, is none. Raises UserError.
    """
    if tracking_uri is None:
        raise UserError(f"--runs mlflow:{name}: give --tracking-uri, the server or database that holds the experiment")
    try:
        client = mlflow.MlflowClient(tracking_uri=tracking_uri)
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            names = ", ".join(sorted(e.name for e in client.search_experiments()))
            raise UserError(f"--runs mlflow:{name}: no such experiment; it has: {names}")
        runs = _all_runs(client, experiment.experiment_id)
    except MlflowException as error:
        raise UserError(f"--tracking-uri: MLflow does not answer ({str(error).splitlines()[0]})") from error
    if not runs:
        raise UserError(f"--runs mlflow:{name}: the experiment has no runs")
    runs, num_all = _without_parents(runs), len(runs)
    left = num_all - len(runs)
    notes = [f"left out, since they only hold others together: parents of nested runs ({left:,})"] if left else []
    rows = [_row(run) for run in runs]
    settings = dict.fromkeys(key for run in runs for key in run.data.params)
    metrics = dict.fromkeys(key for run in runs for key in run.data.metrics if key not in settings)
    return pd.DataFrame(rows), list(settings), list(metrics), notes


def _without_parents(runs: list[Any]) -> list[Any]:
    of_children: dict[str, set[str]] = {}
    for run in runs:
        if parent := run.data.tags.get("mlflow.parentRunId"):
            of_children.setdefault(parent, set(run.data.metrics)).intersection_update(run.data.metrics)
    return [r for r in runs if (own := of_children.get(r.info.run_id)) is None or (own and own <= set(r.data.metrics))]


def _all_runs(client: mlflow.MlflowClient, experiment_id: str) -> list[Any]:
    runs, token = [], None
    while True:
        page = client.search_runs([experiment_id], max_results=1000, page_token=token, order_by=["start_time ASC"])
        runs += list(page)
        token = page.token
        if not token:
            return runs


def _row(run: Any) -> dict[str, Any]:
    tags = {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.")}
    return {"run_id": run.info.run_id, "status": run.info.status, **tags, **run.data.metrics, **run.data.params}
