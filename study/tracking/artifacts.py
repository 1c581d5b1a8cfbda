"""Files beside a record, wherever they lie, as files of its run."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from fsspec.core import url_to_fs

if TYPE_CHECKING:
    from mlflow import MlflowClient


def log_file(client: "MlflowClient", run: str, url: str) -> None:
    """Copy a file that fsspec opens to where MLflow keeps those of a run."""
    fs, path = url_to_fs(url)
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder, path.rpartition("/")[2])
        fs.get_file(path, str(local))
        client.log_artifact(run, str(local))
