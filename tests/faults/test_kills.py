"""The short form of `make kills`: signals at moments that a seed draws, in one process; a second driver, a report."""

import random

import pytest

from benchmarks.faults import Bench, undisturbed
from benchmarks.kills import STUDY, run

pytestmark = [pytest.mark.slow, pytest.mark.long]
SIZES = {"levels": 2, "seeds": 2}


def test_a_study_outlives_a_kill_loop(tmp_path):
    expected = undisturbed(tmp_path / "undisturbed", STUDY.format(trial_s=0, **SIZES))
    bench = Bench(tmp_path / "killed", STUDY.format(trial_s=0.05, **SIZES), None, random.Random(1), ["--serial"])
    assert run(bench, bench.rng, 2, 4.0, len(expected)) == 2
    (bench.folder / "faults.yaml").write_text(STUDY.format(trial_s=0, **SIZES))
    bench.finish()
    bench.check(expected)
