"""Which runner a run gets: one process for debugging, or Ray. Ray is imported only where it runs."""

import os

from evenkeel.study.errors import UserError
from evenkeel.study.file.study import StudyConfig
from evenkeel.study.run.interfaces import Runner
from evenkeel.study.run.ray_address import refuse_client


def check_workers(workers: int | None, address: str | None) -> None:
    """Raises UserError for a number of workers below one, and for an address that Ray's client would take."""
    if workers is not None and workers < 1:
        raise UserError(f"--workers {workers}: must be at least 1")
    refuse_client(address)


def runner_of(
    config: StudyConfig,
    storage: str,
    *,
    serial: bool,
    address: str | None,
    workers: int | None,
    keep_tune: bool = False,
) -> Runner:
    """The serial runner, or Ray here or at `address` with the resources that the study names."""
    if serial:
        return make_serial_runner(config)
    from evenkeel.study.run.ray_runner import RayRunner

    return RayRunner(
        address=address,
        workers=workers or config.resources.workers,
        cpus=config.resources.cpus,
        gpus=config.resources.gpus,
        storage=storage,
        custom=config.resources.custom,
        keep_tune=keep_tune,
    )


def make_serial_runner(config: StudyConfig) -> Runner:
    """Packs in this process; with a limit to a trial's time in one beside it, which can be ended whatever it does."""
    if config.resources.trial_limit is None or os.name != "posix":
        from evenkeel.study.run.serial_runner import SerialRunner

        return SerialRunner()
    from evenkeel.study.run.pack_process import PackProcessRunner

    return PackProcessRunner()
