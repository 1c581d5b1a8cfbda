"""An MLflow experiment, read as rows of the trial table."""

import json
from collections.abc import Iterable
from typing import Any

from study.tracking.database import client as connect
from study.tracking.tags import PREFIX


def read_experiment(uri: str, study: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(study, one flat dictionary a trial) from an MLflow experiment alone. Raises LookupError when there is none."""
    client = connect(uri)
    experiment = client.get_experiment_by_name(study)
    if experiment is None:
        raise LookupError(f"no MLflow experiment {study!r}")
    num = int(experiment.tags[f"{PREFIX}study.pieces"])
    contents = json.loads("".join(experiment.tags[f"{PREFIX}study.{i:02d}"] for i in range(num)))
    return contents, [
        _flat(run) for run in trial_runs(client, experiment.experiment_id) if f"{PREFIX}state" in run.data.tags
    ]


def _flat(run: Any) -> dict[str, Any]:
    tags = {key.removeprefix(PREFIX): value for key, value in run.data.tags.items() if key.startswith(PREFIX)}
    return {
        "tags": tags,
        "hyperparameters": {key: json.loads(value) for key, value in run.data.params.items()},
        "metrics": {k: v for k, v in run.data.metrics.items() if not k.startswith("curve_")},
    }


def trial_runs(client: Any, experiment: str) -> Iterable[Any]:
    token = None
    while True:
        page = client.search_runs([experiment], f"tags.`{PREFIX}kind` = 'trial'", max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
