"""`evenkeel logs`: what the newest job of a study says."""

import argparse
import sys

from evenkeel.study.file.locations import Storage
from evenkeel.study.file.read import load_study
from evenkeel.study.run.ray_jobs import RayJobs


def execute(options: argparse.Namespace) -> int:
    """Print it; the exit code is that of the job's run, 0 while it goes on."""
    return connect_jobs(options).logs(write_log, follow=options.follow)


def connect_jobs(options: argparse.Namespace) -> RayJobs:
    """The jobs of the study that the options name."""
    config = load_study(options.study, options.overrides)
    return RayJobs(options.address, config.name, str(Storage.resolve(config, options.storage)))


def write_log(text: str) -> None:
    """Print it at once."""
    sys.stdout.write(text)
    sys.stdout.flush()
