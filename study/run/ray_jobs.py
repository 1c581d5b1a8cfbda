"""A study as a Ray job: brought to a cluster's head, followed and stopped from any machine that reaches its job server.

What travels is the study file as it was understood (presets followed, --set applied, paths absolute) and the Python
modules beside it. Where the records lie must be the same place for all: a shared folder, or a URL.
"""

import asyncio
import logging
import os
import shlex
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

import evenkeel
from evenkeel.study.errors import EXIT_INTERRUPTED, ClusterError, UserError
from evenkeel.study.file.study import StudyConfig
from evenkeel.trainables.own_code import own_module
from evenkeel.trainables.own_path import path_of_installed
from evenkeel.trainables.own_sources import source_files

if TYPE_CHECKING:
    from ray.job_submission import JobDetails

USUAL_SERVER = "http://127.0.0.1:8265"
JOB_STUDY, JOB_STORAGE = "evenkeel.study", "evenkeel.storage"
"""What a job's metadata say of it."""
JOB_STOP_S = 300
"""How long a job that is stopped may take to finish its running packs."""
TOKEN_VARIABLES = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
TOKEN = Path("~/.ray/auth_token").expanduser()
BUILT_IN = set(sys.builtin_module_names)
OWN_SOURCE = {path.resolve() for package in evenkeel.__path__ for path in (Path(package), *Path(package).iterdir())}
"""evenkeel and the folders that it links to: a study file may lie at the top of a checkout."""
NO_CODE = shutil.ignore_patterns("__pycache__")


class RayJobs:
    """The jobs of one study on the job server at `address` (http://head:8265). Raises ClusterError if none answers."""

    def __init__(self, address: str | None, study: str, storage: str) -> None:
        if any(os.environ.get(name) for name in TOKEN_VARIABLES) or TOKEN.is_file():
            os.environ.setdefault("RAY_AUTH_MODE", "token")  # read when Ray is imported; a server without takes it too
        from ray.job_submission import JobSubmissionClient

        logging.getLogger("ray").setLevel(logging.ERROR)
        self.address = address or os.environ.get("RAY_API_SERVER_ADDRESS") or USUAL_SERVER
        if not self.address.startswith(("http://", "https://")):
            raise UserError(f"--address {self.address}: jobs go to the head's job server; give it as {USUAL_SERVER}")
        self.study, self.storage = study, storage
        with self._reached():
            self.client = JobSubmissionClient(self.address)

    def submit(self, config: StudyConfig, beside: Path | None, flags: list[str]) -> str:
        """Start `evenkeel run` there and return the job's id. Raises UserError while an earlier job still runs."""
        if job := self.running():
            raise UserError(f"{self.storage}: the job {job} runs this study already; wait or stop it")
        with tempfile.TemporaryDirectory() as name, self._reached():
            folder = Path(name)
            (folder / f"{self.study}.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))
            _copy_code(beside, folder)
            _copy_named(config.own_code, folder)
            return self.client.submit_job(
                entrypoint=shlex.join(["evenkeel", "run", f"{self.study}.yaml", "--address", "auto", *flags]),
                submission_id=f"evenkeel-{self.study}-{uuid.uuid4().hex[:8]}",
                runtime_env={"working_dir": name, "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(JOB_STOP_S)}},
                metadata={JOB_STUDY: self.study, JOB_STORAGE: self.storage},
            )

    def logs(self, write: Callable[[str], object], *, follow: bool) -> int:
        """Write what the newest job said, with `follow` until it ends; returns its exit code (0 while it runs)."""
        job = self.newest()
        with self._reached():
            if follow:
                try:
                    asyncio.run(self._follow(job, write))
                except OSError as error:  # of aiohttp's own errors these are what a head that died leaves
                    raise ConnectionError(str(error)) from error
            else:
                write(self.client.get_job_logs(job))
            info = self.client.get_job_info(job)
        if info.status == "STOPPED":
            return EXIT_INTERRUPTED
        if info.status.is_terminal() and info.driver_exit_code is None:
            raise ClusterError(f"job {job}: {info.status.lower()}: {info.message}")
        return info.driver_exit_code or 0

    def stop(self) -> str:
        """Ask the newest job to stop as SIGTERM does; returns its id."""
        job = self.newest()
        with self._reached():
            self.client.stop_job(job)
        return job

    def running(self) -> str | None:
        """The id of the job that runs this study now."""
        job = self._newest()
        return str(job.submission_id) if job and not job.status.is_terminal() else None

    def newest(self) -> str:
        """The id of the job submitted last. Raises UserError where there is none."""
        if (job := self._newest()) is None:
            raise UserError(f"{self.address}: no job of the study {self.study} in {self.storage}")
        return str(job.submission_id)

    def _newest(self) -> "JobDetails | None":
        mine = {JOB_STUDY: self.study, JOB_STORAGE: self.storage}
        with self._reached():
            jobs = [job for job in self.client.list_jobs() if (job.metadata or {}).items() >= mine.items()]
        return max(jobs, key=lambda job: job.start_time or 0, default=None)

    async def _follow(self, job: str, write: Callable[[str], object]) -> None:
        async for text in self.client.tail_job_logs(job):
            write(text)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        from ray.exceptions import AuthenticationError

        try:
            yield
        except AuthenticationError as error:
            raise ClusterError(
                f"job server {self.address}: wants a token ({_first_line(error)}); bring the head's ~/.ray/auth_token "
                "here, or set RAY_AUTH_TOKEN"
            ) from error
        except (ConnectionError, RuntimeError) as error:
            raise ClusterError(
                f"job server {self.address}: {_first_line(error)}; it is the head's dashboard, which needs "
                "evenkeel[cluster] there"
            ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["does not answer"])[0]


def _is_installed(module: str, beside: Path) -> bool:
    """Whether a module of that name is found without a user's own folders."""
    installed = [folder for folder in path_of_installed() if folder != str(beside)]
    return module in BUILT_IN or PathFinder.find_spec(module, installed) is not None


def _copy_code(beside: Path | None, target: Path) -> None:
    """A user's own modules: the Python files and packages in the study file's folder. What bears the name of something
    that is installed stays, and so does evenkeel's own source: Ray puts a job's folder in front, where it would shadow
    what is installed there."""
    for path in sorted(beside.iterdir()) if beside else ():
        if _is_installed(path.stem, path.parent):
            continue
        if path.resolve() in OWN_SOURCE:
            continue
        if path.suffix == ".py":
            shutil.copy(path, target)
        elif (path / "__init__.py").is_file():
            shutil.copytree(path, target / path.name, ignore=NO_CODE)


def _copy_named(references: list[str], target: Path) -> None:
    """The files that the study names, and all that belongs to them, in the folders in which they lie here.

    Raises UserError for one that cannot go along: it would lie outside the job's folder, or shadow what is installed.
    """
    for reference in references:
        name = reference.partition(":")[0]
        if not name.endswith(".py"):
            continue
        folder = Path(own_module(name).__file__ or "").parents[len(Path(name).parts) - 1]
        if _is_installed(name.removesuffix(".py"), folder):
            raise UserError(f"{name}: is called as an installed module, and would hide it on the cluster; rename it")
        for path in source_files(reference):
            if ".." in Path(name).parts or folder not in path.parents:
                raise UserError(f"{path}: a job brings what lies in the study file's folder; move it there")
            copy = target / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
