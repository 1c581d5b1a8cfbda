"""`evenkeel stop`: stop the newest job of a study, as SIGTERM does."""

import argparse
import sys

from evenkeel.study.commands.logs import connect_jobs


def execute(options: argparse.Namespace) -> int:
    """Ask it to stop and return at once: its running packs finish."""
    sys.stdout.write(f"{connect_jobs(options).stop()}: running packs finish, then it stops; evenkeel submit goes on\n")
    return 0
