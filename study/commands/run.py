"""`evenkeel run`: run what is missing."""

import argparse
import sys

from evenkeel.study.errors import EXIT_FAILED_TRIALS, EXIT_INTERRUPTED, EXIT_OK, UserError
from evenkeel.study.file.locations import Storage
from evenkeel.study.file.read import load_study
from evenkeel.study.file.study import StudyConfig
from evenkeel.study.run import engine
from evenkeel.study.run.display import format_states, make_display
from evenkeel.study.run.ray_address import refuse_client


def execute(options: argparse.Namespace) -> int:
    """Run a study to its end; exit code 1 when trials failed."""
    config = load_study(options.study, options.overrides)
    if options.workers is not None and options.workers < 1:
        raise UserError(f"--workers {options.workers}: must be at least 1")
    refuse_client(options.address)
    display = make_display()
    if config.own_code:
        display.say(f"runs code that the study names: {', '.join(config.own_code)}")
    outcome = engine.run_study(
        config,
        engine.RunOptions(
            storage=options.storage,
            tracking_uri=options.tracking_uri,
            track_later=options.track_later,
            track_again=options.track_again,
            accept_changes=options.accept_changes,
            retry_failed=options.retry_failed,
            keep_going=options.keep_going,
            python_path=tuple(options.own_code),
        ),
        lambda storage: _runner(config, options, storage),
        display,
    )
    storage = Storage.resolve(config, options.storage)
    new = f"{outcome.num_new:,} new" if outcome.num_new else "nothing was missing"
    sys.stdout.write(f"{config.name}: {format_states(outcome.states)} ({new}) in {storage}\n")
    if outcome.num_untracked:
        sys.stderr.write(f"{outcome.num_untracked:,} trials are not in MLflow yet; the next run catches up\n")
    for line in outcome.reasons:
        sys.stderr.write(f"  {line}\n")
    if outcome.same_reason:
        sys.stderr.write(
            f"evenkeel: stopped, since every trial failed for one reason: {outcome.same_reason}. Correct it and run "
            "again with --retry-failed, or give --keep-going\n"
        )
    if outcome.stopped:
        sys.stderr.write("evenkeel: stopped; nothing is lost: the same command goes on\n")
        return EXIT_INTERRUPTED
    return EXIT_FAILED_TRIALS if outcome.states["failed"] else EXIT_OK


def _runner(config: StudyConfig, options: argparse.Namespace, storage: str) -> engine.Runner:
    if options.serial:
        from evenkeel.study.run.serial_runner import SerialRunner

        return SerialRunner()
    from evenkeel.study.run.ray_runner import RayRunner

    return RayRunner(
        address=options.address,
        workers=options.workers or config.resources.workers,
        cpus=config.resources.cpus,
        gpus=config.resources.gpus,
        storage=storage,
        custom=config.resources.custom,
    )
