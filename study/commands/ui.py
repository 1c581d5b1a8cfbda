"""`evenkeel ui`: the MLflow UI on this study, on localhost, and where to click."""

import argparse
import os
import socket
import sys

from evenkeel.study.commands.study_location import locate_study
from evenkeel.study.errors import UserError
from evenkeel.study.file.locations import TrackingUri
from evenkeel.study.plain_text import visible_lines
from evenkeel.study.records.facts import read_facts
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.tracking.artifact_places import refuse_remote_artifacts

HOST = "127.0.0.1"


def execute(options: argparse.Namespace) -> int:
    """Replace this process by MLflow's server; a remote tracking URI has a UI of its own."""
    config, storage = locate_study(options.study, options)
    uri = TrackingUri.resolve(config, storage, options.tracking_uri)
    uri.check_database(options.study)
    if not uri.is_server:
        _refuse_taken(options.port)
    if uri.is_own and uri.database:
        refuse_remote_artifacts(uri.database)
    address = uri.address if uri.is_server else f"http://{HOST}:{options.port}"
    sys.stdout.write(visible_lines(_links(address, uri, Ledger(str(storage), config.name))))
    sys.stdout.flush()
    if uri.is_server:
        return 0
    command = ["-m", "mlflow", "ui", "--host", HOST, "--port", str(options.port)]
    environment = os.environ | {"MLFLOW_BACKEND_STORE_URI": uri.raw, "PYTHONSAFEPATH": "1"}
    os.chdir("/")  # the server would import what lies in the working folder
    os.execve(sys.executable, [sys.executable, *command], environment)


def _refuse_taken(port: int) -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise UserError(f"--port {port}: cannot be used ({error}); give another one") from error


def _links(address: str, uri: TrackingUri, ledger: Ledger) -> str:
    """A line a link, the study first; MLflow alone for one that is not there yet, or a server that does not answer."""
    from evenkeel.study.tracking.description import describe_study
    from evenkeel.study.tracking.experiment import MENU_SWITCH, TRAINING, make_links
    from evenkeel.study.tracking.reader import find_experiment

    study = ledger.read_study()
    try:
        experiment = study and find_experiment(uri.raw, ledger.study, study.identity).experiment_id
    except (LookupError, ConnectionError) as error:
        return f"{address}\n{uri.hide(str(error))}\n"
    if study is None:
        return f"{address}\n"
    links, page = make_links(describe_study(read_facts(study.summary))), f"{address}/#/experiments/{experiment}"
    lines = [f"{page}?{TRAINING}", *(f"{words}: {page}{suffix}" for words, suffix in links.items()), MENU_SWITCH]
    return "".join(f"{line}\n" for line in lines)
