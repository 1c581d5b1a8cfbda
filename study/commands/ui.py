"""`evenkeel ui`: the MLflow UI on this study, on localhost."""

import argparse
import os
import sys

from study.errors import UserError
from study.file.read import load_study
from study.run.engine import storage_of, tracking_uri_of


def execute(options: argparse.Namespace) -> int:
    """Replace this process by MLflow's server; a remote tracking URI has a UI of its own."""
    config = load_study(options.study, options.overrides)
    uri = tracking_uri_of(config, storage_of(config, options.storage), options.tracking_uri)
    if uri.startswith("http"):
        sys.stdout.write(f"{uri}\n")
        return 0
    if uri.startswith("sqlite:///") and not os.path.exists(uri.removeprefix("sqlite:///")):
        raise UserError(f"{uri}: no MLflow database yet; start the study with: evenkeel run {options.study}")
    sys.stdout.write(f"http://127.0.0.1:{options.port}\n")
    sys.stdout.flush()
    command = ["-m", "mlflow", "ui", "--backend-store-uri", uri, "--host", "127.0.0.1", "--port", str(options.port)]
    os.execv(sys.executable, [sys.executable, *command])
