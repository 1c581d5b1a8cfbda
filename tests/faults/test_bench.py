"""The short form of `make faults`: signals and a dead head meet one study on several nodes, one after the other."""

import random

import pytest

from benchmarks.faults import FAULTS, STUDY, Bench, Grid, undisturbed
from study.errors import EXIT_CLUSTER, EXIT_INTERRUPTED, EXIT_OK

pytestmark = pytest.mark.slow

SHORT = ("SIGHUP", "Ctrl-C once", "Ctrl-C twice", "SIGKILL of the head")


def test_a_study_outlives_signals_and_the_head_of_its_cluster(tmp_path):
    text = STUDY.format(seeds=1, trial_s=0.1, pack_size=4)
    expected = undisturbed(tmp_path / "undisturbed", text)
    grid = Grid(2)
    try:
        bench = Bench(tmp_path / "disturbed", text, grid, random.Random(0), most=6)
        for name in SHORT:
            FAULTS[name](bench)
        bench.finish()
        bench.check(expected)
    finally:
        grid.close()
    assert bench.codes == [EXIT_INTERRUPTED] * 3 + [EXIT_CLUSTER, EXIT_OK]
