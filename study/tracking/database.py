"""MLflow's client, and new sqlite databases as copies of an empty one: making its tables takes MLflow seconds."""

import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from trainables.cache import made_once

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ.setdefault("MLFLOW_ALEMBIC_LOG_LEVEL", "ERROR")

if TYPE_CHECKING:
    from mlflow import MlflowClient


def client(uri: str) -> "MlflowClient":
    """A quiet client. Imports MLflow, which takes seconds."""
    from mlflow import MlflowClient

    for name in ("mlflow", "mlflow.store.db.utils", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return MlflowClient(tracking_uri=uri)


def make_database(database: Path, templates: Path) -> None:
    """A new, empty database unless there is one."""
    if not database.exists():
        made_once(database, lambda path: shutil.copyfile(template(templates), path))


def template(templates: Path) -> Path:
    """The empty database of this version of MLflow."""
    from mlflow.version import VERSION

    return made_once(templates / f"mlflow-{VERSION}.db", _create)


def _create(path: Path) -> None:
    client(f"sqlite:///{path}").search_experiments(max_results=1)
