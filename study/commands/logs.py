"""`evenkeel logs`: what the newest job of a study says."""

import argparse
import sys

from evenkeel.study.file.read import load_study
from evenkeel.study.run.locations import Storage
from evenkeel.study.run.ray_jobs import Jobs


def execute(options: argparse.Namespace) -> int:
    """Print it; the exit code is that of the job's run, 0 while it goes on."""
    return jobs_of(options).logs(write_log, follow=options.follow)


def jobs_of(options: argparse.Namespace) -> Jobs:
    """The jobs of the study that the options name."""
    config = load_study(options.study, options.overrides)
    return Jobs(options.address, config.name, str(Storage.of(config, options.storage)))


def write_log(text: str) -> None:
    """Print it at once."""
    sys.stdout.write(text)
    sys.stdout.flush()
