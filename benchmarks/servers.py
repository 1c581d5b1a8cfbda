"""Servers on this machine, for tests and benchmarks: MLflow, PostgreSQL (Debian's package), a proxy that misbehaves."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import psutil

from evenkeel.study.commands.ui import NO_JOBS

START_LIMIT_S = 120
POSTGRESQL = Path("/usr/lib/postgresql")
QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def wait_for(true: Callable[[], Any], seconds: float, words: Callable[[], str] = lambda: "waited in vain") -> None:
    """Raises AssertionError when it does not come true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, words()
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class MlflowServer:
    """MLflow's server over a database, while it is entered; it can be killed and started again."""

    def __init__(self, backend: str, folder: Path, port: int | None = None) -> None:
        self.backend, self.folder, self.port = backend, folder, port or free_port()
        self.uri = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.send(signal.SIGKILL)
        self.process.wait()

    def start(self) -> None:
        """Returns when it answers."""
        address = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        places = {"BACKEND_STORE_URI": self.backend, "ARTIFACTS_DESTINATION": str(self.folder / "artifacts")}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mlflow", "server", *address],
            env=NO_JOBS | os.environ | {f"MLFLOW_{name}": place for name, place in places.items()},
            cwd=self.folder,
            start_new_session=True,
            **QUIET,
        )
        wait_for(self.answers, START_LIMIT_S, lambda: f"no MLflow at {self.uri}")

    def answers(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=5):
            return True
        return False

    def cpu_s(self) -> float:
        """What its processes have computed so far."""
        inner = psutil.Process(self.process.pid).children(recursive=True)
        return sum(sum(process.cpu_times()[:2]) for process in inner)

    def send(self, number: int) -> None:
        """A signal to all of its processes."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


class PostgreSql:
    """A PostgreSQL server of our own, while it is entered; `folder` must be empty, and may be a small disk."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.binaries = max(POSTGRESQL.glob("*/bin"))
        self.as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []

    def __enter__(self) -> Self:
        if self.as_user:
            shutil.chown(self.folder, "postgres")
        self._run("initdb", "-D", self.folder / "data", "-U", "bench", "-A", "trust")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1"
        self._control("-l", self.folder / "log", "-o", options, "start")

    def stop(self) -> None:
        """As if it were killed."""
        with suppress(subprocess.CalledProcessError):  # it is down
            self._control("-m", "immediate", "stop")

    def database(self, name: str) -> str:
        """The URI of a new, empty database."""
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "bench", name)
        return f"postgresql+psycopg2://bench@127.0.0.1:{self.port}/{name}"

    def _control(self, *words: str | Path) -> None:
        self._run("pg_ctl", "-D", self.folder / "data", "-w", *words)

    def _run(self, program: str, *words: str | Path) -> None:
        subprocess.run([*self.as_user, self.binaries / program, *words], check=True, cwd=self.folder, **QUIET)


class Proxy:
    """Passes requests on to a server, while it is entered: after `delay_s`, or refuses them with the status `refuses`.

    `loses` answers are still to be lost: the server did what it was asked, and nobody hears of it.
    """

    def __init__(self, target: str) -> None:
        self.delay_s, self.refuses, self.num_refused, self.loses = 0.0, 0, 0, 0
        proxy, host = self, target.removeprefix("http://")

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                time.sleep(proxy.delay_s)
                status, body = proxy.refuses, b'{"error_code": "RESOURCE_EXHAUSTED", "message": "not now"}'
                if status:
                    proxy.num_refused += 1
                else:
                    status, body = passed(host, self.command, self.path, content, dict(self.headers))
                if proxy.loses and self.command == "POST":
                    proxy.loses -= 1
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def passed(host: str, method: str, path: str, content: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """Status and contents of what the server behind a proxy answers."""
    connection = http.client.HTTPConnection(host)
    connection.request(method, path, content, headers | {"Host": host})
    response = connection.getresponse()
    return response.status, response.read()
