"""`evenkeel ui`: the study's page, renewed while it runs, and MLflow on it; on localhost, and where to click."""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress

from evenkeel.study.commands.live_page import HOST, serve_page
from evenkeel.study.commands.study_location import locate_study
from evenkeel.study.errors import EXIT_OK, UserError
from evenkeel.study.file.locations import TrackingUri
from evenkeel.study.plain_text import visible_lines
from evenkeel.study.records.facts import read_facts
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.tracking.artifact_places import refuse_remote_artifacts

ANSWER_S, POLL_S = 2.0, 0.25
NO_JOBS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""MLflow's server starts eight processes more for evaluations of language models, which no study has."""


def execute(options: argparse.Namespace) -> int:
    """Serve page and MLflow until the process is stopped; a remote tracking URI has a UI of its own."""
    config, storage = locate_study(options.study, options)
    uri = TrackingUri.resolve(config, storage, options.tracking_uri)
    uri.check_database(options.study)
    if not uri.is_server:
        _refuse_taken(options.port)
    if uri.is_own and uri.database:
        refuse_remote_artifacts(uri.database)
    address = uri.address if uri.is_server else f"http://{HOST}:{options.port}"
    ledger = Ledger(str(storage), config.name)
    server = None if uri.is_server else _start_mlflow(uri, options.port)
    try:
        if server:
            _await_answer(server, f"{address}/health")
        _say(_links(address, uri, ledger))
        if server:
            if ledger.read_study():
                _say(f"the study's page, renewed while it runs: {serve_page(ledger)}\n")
            server.wait()
    except KeyboardInterrupt:
        return EXIT_OK
    finally:
        if server:
            server.terminate()
            server.wait()
    return EXIT_OK


def _say(text: str) -> None:
    sys.stdout.write(visible_lines(text))
    sys.stdout.flush()


def _start_mlflow(uri: TrackingUri, port: int) -> "subprocess.Popen[bytes]":
    """MLflow's server, in one process: four of them share a small database worse than one."""
    command = [sys.executable, "-m", "mlflow", "ui", "--host", HOST, "--port", str(port), "--workers", "1"]
    environment = NO_JOBS | os.environ | {"MLFLOW_BACKEND_STORE_URI": uri.raw, "PYTHONSAFEPATH": "1"}
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the server ends with this process
    # In another folder, or the server would import what lies in this one; its first words are no address.
    return subprocess.Popen(command, env=environment, cwd="/", stdout=subprocess.DEVNULL)


def _await_answer(server: "subprocess.Popen[bytes]", address: str) -> None:
    """Return once the server answers. Raises UserError when it ends instead."""
    while server.poll() is None:
        with suppress(OSError), urllib.request.urlopen(address, timeout=ANSWER_S):
            return
        time.sleep(POLL_S)
    raise UserError(f"MLflow's server ended with exit code {server.returncode} before it answered at {address}")


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
