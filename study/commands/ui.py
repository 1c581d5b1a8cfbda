"""`evenkeel ui`: the MLflow UI on this study, on localhost."""

import argparse
import os
import sys

from study.errors import UserError
from study.file.read import load_study
from study.run.places import Storage, TrackingUri


def execute(options: argparse.Namespace) -> int:
    """Replace this process by MLflow's server; a remote tracking URI has a UI of its own."""
    config = load_study(options.study, options.overrides)
    uri = TrackingUri.of(config, Storage.of(config, options.storage), options.tracking_uri)
    if uri.is_server:
        sys.stdout.write(f"{uri}\n")
        return 0
    if uri.database and not uri.database.exists():
        raise UserError(f"{uri}: no MLflow database yet; start the study with: evenkeel run {options.study}")
    sys.stdout.write(f"http://127.0.0.1:{options.port}\n")
    sys.stdout.flush()
    command = ["-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(options.port)]
    environment = os.environ | {"MLFLOW_BACKEND_STORE_URI": uri.raw, "PYTHONSAFEPATH": "1"}
    os.chdir("/")  # the server would import what lies in the working folder
    os.execve(sys.executable, [sys.executable, *command], environment)
