"""`evenkeel doctor`: one line for each thing a study needs."""

import argparse
import platform
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from evenkeel.study.commands.data_summary import show_data
from evenkeel.study.errors import EXIT_OK, UserError
from evenkeel.study.file.read import load_study
from evenkeel.study.plain_text import visible
from evenkeel.study.run.data_facts import images_words, summarise_data
from evenkeel.trainables.data.summary import DataSummary
from evenkeel.trainables.resources import usable_cpus

PACKAGES = ("torch", "timm", "open_clip_torch", "scikit-learn", "optuna", "ray", "mlflow", "pandas", "plotly")
LEAST_PYTHON = (3, 11)
EXIT_NOT_WELL = 1


def execute(options: argparse.Namespace) -> int:
    """Check everything; exit code 1 when something is missing."""
    checks: dict[str, Callable[[], str]] = {
        "python": _python,
        "packages": _packages,
        "gpu": _gpu,
        "data": _data,
        "write access": _write_access,
        "mlflow": _mlflow,
        "ray": _ray,
    }
    understood: list[DataSummary] = []
    if options.study:
        checks["study"] = lambda: _study(options, understood)
        checks["images"] = lambda: images_words(load_study(options.study, options.overrides)) or "as the trainable says"
    well = [_line(name, check) for name, check in checks.items()]
    for summary in understood:
        show_data(summary)
    if options.train_rows:
        if not options.study:
            raise UserError("--train-rows: name a study, for example: evenkeel doctor demo --train-rows")
        from evenkeel.study.commands.train_rows import show_train_rows  # torch, which a check does without

        show_train_rows(load_study(options.study, options.overrides))
    return EXIT_OK if all(well) else EXIT_NOT_WELL


def _line(name: str, check: Callable[[], str]) -> bool:
    try:
        text, well = check(), True
    except Exception as error:
        text, well = str(error).splitlines()[0] if str(error) else type(error).__name__, False
    sys.stdout.write(f"{'ok' if well else 'NO':3} {name:13} {visible(text)}\n")
    sys.stdout.flush()
    return well


def _python() -> str:
    if sys.version_info < LEAST_PYTHON:
        raise UserError(f"{platform.python_version()} is too old; install Python 3.11 or later")
    return f"{platform.python_version()} on {platform.system()}, {usable_cpus()} CPUs"


def _packages() -> str:
    installed = []
    for name in PACKAGES:
        try:
            installed.append(f"{name} {version(name)}")
        except PackageNotFoundError as error:
            raise UserError(f"{name} is not installed; install it again with: make clean demo") from error
    return ", ".join(installed)


def _gpu() -> str:
    from evenkeel.trainables.device import gpu_summary

    return gpu_summary() or "none; studies run on the CPU (resources.gpus: 0)"


def _data() -> str:
    from evenkeel.trainables.data import DATA_SETS

    return f"{', '.join(DATA_SETS)}; look at one with: evenkeel plan STUDY"


def _study(options: argparse.Namespace, understood: list[DataSummary]) -> str:
    config = load_study(options.study, options.overrides)
    summary = summarise_data(config)
    if summary is None:
        return f"{config.name}: {config.data.name}"
    understood.append(summary)
    if summary.refusal:
        raise UserError(summary.refusal)
    return f"{config.name}: {sum(summary.rows.values()):,} rows, {len(summary.classes):,} classes"


def _write_access() -> str:
    from evenkeel.trainables.cache import default_cache

    for folder in (Path("studies"), Path(default_cache())):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    return f"studies/ and {default_cache()}"


def _mlflow() -> str:
    from evenkeel.study.file.locations import own_database_uri
    from evenkeel.study.tracking.messages import Setup
    from evenkeel.study.tracking.run_writer import RunWriter

    with tempfile.TemporaryDirectory() as folder:
        setup = Setup(own_database_uri(Path(folder)), "doctor", None, None, Path(folder))
        if problem := RunWriter(setup, lambda _: None).check():
            raise UserError(problem)
    return f"mlflow {version('mlflow')}, a database can be made"


def _ray() -> str:
    from evenkeel.study.run.ray_runner import check_local_cluster

    return check_local_cluster()
