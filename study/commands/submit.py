"""`evenkeel submit`: run a study as a job of a Ray cluster."""

import argparse
import sys

from evenkeel.study.commands.logs import write_log
from evenkeel.study.errors import UserError
from evenkeel.study.file.locations import Storage, TrackingUri
from evenkeel.study.file.read import PRESETS, find_study, load_study
from evenkeel.study.run.ray_jobs import RayJobs

FLAGS = ("track_later", "track_again", "accept_changes", "keep_going", "retry_failed")


def execute(options: argparse.Namespace) -> int:
    """Submit, and say how to follow it; with --follow, follow it to its exit code, also one that runs already.

    Raises UserError where the records have no place of their own.
    """
    config = load_study(options.study, options.overrides)
    if not (options.storage or config.storage):
        raise UserError(
            f"{options.study}: a job's records must lie where the cluster's nodes see them: give --storage, a shared "
            "folder or a URL"
        )
    storage = Storage.resolve(config, options.storage)
    tracking = TrackingUri.resolve(config, storage, options.tracking_uri)
    if str(tracking) != tracking.raw:
        raise UserError(
            f"{tracking.blamed}: holds a password or token, which would lie open on the cluster; start the "
            "head with MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (or PGPASSWORD) and leave it out here"
        )
    config = config.model_copy(update={"storage": str(storage), "tracking": tracking.raw if tracking.key else None})
    folder = find_study(options.study).parent
    flags = [f"--{name.replace('_', '-')}" for name in FLAGS if getattr(options, name)]
    workers = ["--workers", str(options.workers)] if options.workers else []
    jobs = RayJobs(options.address, config.name, str(storage))
    if options.follow and jobs.running():
        return jobs.logs(write_log, follow=True)
    job = jobs.submit(config, None if folder == PRESETS else folder, [*flags, *workers])
    arguments = f"{options.study} --storage {storage} --address {jobs.address}"
    sys.stdout.write(f"{job}\nfollow it: evenkeel logs {arguments} --follow\nstop it:   evenkeel stop {arguments}\n")
    return jobs.logs(write_log, follow=True) if options.follow else 0
