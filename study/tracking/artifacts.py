"""What a run shows besides tags and numbers: files beside a record, wherever they lie, and the data set."""

import hashlib
import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fsspec.core import url_to_fs

from evenkeel.trainables import Trial

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

TAKEN = ("IntegrityError", "UniqueViolation")
"""What databases say of a row that two processes make at once: MLflow looks for a data set, then inserts it."""


def log_file(client: "MlflowClient", run: str, url: str) -> None:
    """Copy a file that fsspec opens to where MLflow keeps those of a run."""
    fs, path = url_to_fs(url)
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder, path.rpartition("/")[2])
        fs.get_file(path, str(local))
        client.log_artifact(run, str(local))


def log_data_set(client: "MlflowClient", run: str, trial: Trial) -> None:
    """The data set as MLflow shows it: name, digest of its identity, splits."""
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.exceptions import MlflowException

    source = json.dumps(trial.data, sort_keys=True)
    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    data = Dataset(str(trial.data.get("name", "data")), digest, "evenkeel", source)
    inputs = [DatasetInput(data, [InputTag("mlflow.data.context", "train, val, test")])]
    try:
        client.log_inputs(run, inputs)
    except MlflowException as error:
        if not any(name in str(error) for name in TAKEN):
            raise
        client.log_inputs(run, inputs)  # another process named it first: now it is there


def delete_with_files(client: "MlflowClient", run: "Run") -> None:
    """MLflow keeps the files of a deleted run: here they go, unless they lie where only the server reaches them."""
    client.delete_run(run.info.run_id)
    place = run.info.artifact_uri
    if run.info.run_id in place and ("://" in place or place.startswith("/")):
        with suppress(Exception):  # whatever that place says, or no such kind of place
            fs, path = url_to_fs(place)
            fs.rm(path, recursive=True)
