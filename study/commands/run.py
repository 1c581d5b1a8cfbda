"""`evenkeel run`: run what is missing."""

import argparse
import sys

from evenkeel.study.errors import EXIT_FAILED_TRIALS, EXIT_FAULT, EXIT_INTERRUPTED, EXIT_OK, UserError
from evenkeel.study.file.locations import Storage
from evenkeel.study.file.read import load_study
from evenkeel.study.file.study import StudyConfig
from evenkeel.study.plain_text import visible, visible_lines
from evenkeel.study.run import engine
from evenkeel.study.run.closing import closing_lines
from evenkeel.study.run.display import format_states, make_display
from evenkeel.study.run.interfaces import Display, RunOptions, RunResult
from evenkeel.study.run.runners import check_workers, runner_of
from evenkeel.study.run.shards import Shard


def execute(options: argparse.Namespace) -> int:
    """Run a study to its end, or a shard of it; exit code 1 when trials failed."""
    config = load_study(options.study, options.overrides)
    check_workers(options.workers, options.address)
    display = make_display()
    if config.own_code:
        display.say(f"runs code that the study names: {', '.join(config.own_code)}")
    outcome = _run(config, options, display)
    storage = Storage.resolve(config, options.storage)
    shard = f", shard {options.shard}" if options.shard else ""
    new = f"{outcome.num_new:,} new" if outcome.num_new else "nothing was missing"
    sys.stdout.write(f"{config.name}: {format_states(outcome.states)} ({new}) in {visible(storage)}{shard}\n")
    sys.stderr.writelines(f"{visible_lines(line)}\n" for line in closing_lines(outcome))
    if outcome.num_lost:
        return EXIT_FAULT
    if outcome.stopped:
        return EXIT_INTERRUPTED
    return EXIT_FAILED_TRIALS if outcome.states["failed"] else EXIT_OK


def _run(config: StudyConfig, options: argparse.Namespace, display: Display) -> RunResult:
    run_options = RunOptions(
        storage=options.storage,
        tracking_uri=options.tracking_uri,
        track_later=options.track_later,
        track_again=options.track_again,
        accept_changes=options.accept_changes,
        retry_failed=options.retry_failed,
        keep_going=options.keep_going,
        python_path=tuple(options.own_code),
    )
    if options.shard:
        from evenkeel.study.run.shard_run import run_shard

        return run_shard(config, run_options, _shard(options), display)
    return engine.run_study(
        config,
        run_options,
        lambda storage: runner_of(
            config,
            storage,
            serial=options.serial,
            address=options.address,
            workers=options.workers,
            keep_tune=options.keep_tune,
        ),
        display,
    )


def _shard(options: argparse.Namespace) -> Shard:
    """The shard that was asked for. Raises UserError for options that concern a whole run."""
    for name in ("address", "workers", "accept_changes", "track_again", "keep_tune"):
        if getattr(options, name):
            raise UserError(
                f"--shard {options.shard}: one process runs it, beside others; --{name.replace('_', '-')} is for a run "
                "of the whole study"
            )
    return Shard.parse(options.shard)
