"""How long does a trial on frozen features take to its first step, when features are still to be made and when not?

Three trials of one seed on an empty cache: the first makes the features; the second follows in its process; the third
is the first of another process, as on a node whose features are there. Clocks start when all is imported and stop at
the first update of weights.
Run: python -m benchmarks.feature_cache [STUDY] [--set KEY=VALUE]
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from evenkeel.search_spaces import SPACES
from evenkeel.study.file.read import load_study
from evenkeel.trainables import Trial
from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.probe import train
from evenkeel.trainables.probe.settings import Probe


class _Stepped(Exception):
    """The first update is about to be made."""


def seconds_to_first_step(settings: Probe, data: DataSet, cache: Path) -> float:
    """From nothing but settings to the gradients of the first batch."""

    def stop(*arguments: object) -> None:
        raise _Stepped

    step, train.AdamW.step = train.AdamW.step, stop  # type: ignore[method-assign]
    trial = Trial(
        loss="asl", hyperparameters=SPACES["asl"].defaults(), seed=0, data={}, trainable={}, design="sweep", label=""
    )
    started = time.perf_counter()
    try:
        worker = settings.worker()
        list(worker.run([trial], worker.prepare(data, cache, "cpu"), cache))
    except _Stepped:
        return time.perf_counter() - started
    finally:
        train.AdamW.step = step  # type: ignore[method-assign]
    raise RuntimeError("the trial ended without a step")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", default="demo", help="a study of a probe")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    parser.add_argument("--cache", type=Path, help="features are there: time one trial, print seconds")
    options = parser.parse_args()
    config = load_study(options.study, options.overrides)
    if not isinstance(config.trainable, Probe):
        raise SystemExit(f"{options.study}: {config.trainable.name} keeps no features; give a study of a probe")
    torch.set_num_threads(1)  # as a worker has it
    if options.cache:
        print(seconds_to_first_step(config.trainable, config.data, options.cache))
        return
    with tempfile.TemporaryDirectory() as folder:
        first, second = (seconds_to_first_step(config.trainable, config.data, Path(folder)) for _ in range(2))
        command = [sys.executable, "-m", "benchmarks.feature_cache", *sys.argv[1:], "--cache", folder]
        third = float(subprocess.check_output(command, text=True))
    print(f"{config.name}, {config.data.name}: seconds to the first step of a trial")
    print(f"features to be made {first:.2f}, the second trial {second:.3f}, in another process {third:.3f}")
    for name, seconds in (("second-trial", second), ("another-process", third)):
        print(f"ratio seconds-to-first-step/{name} {seconds:.3f}")


if __name__ == "__main__":
    main()
