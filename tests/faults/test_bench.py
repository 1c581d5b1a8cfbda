"""The short form of `make faults`: signals and a dead head meet one study on several nodes, one after the other."""

import random

import pytest

from benchmarks.faults import FAULTS, STUDY, Bench, Grid, undisturbed
from study.errors import EXIT_CLUSTER, EXIT_INTERRUPTED, EXIT_OK

pytestmark = pytest.mark.slow


def test_a_study_outlives_signals_and_the_head_of_its_cluster(tmp_path):
    """What they leave is finished in one process, without a cluster."""
    text = STUDY.format(seeds=1, trial_s=0.1, pack_size=4)
    at_once = text.replace("trial_s: 0.1", "trial_s: 0")
    expected = undisturbed(tmp_path / "undisturbed", at_once)
    grid = Grid(2)
    try:
        bench = Bench(tmp_path / "disturbed", text, grid, random.Random(0), most=6)
        for name in ("SIGHUP", "Ctrl-C twice"):
            FAULTS[name](bench)
        process = bench.begun()
        grid.kill_head()
        bench.ended(process, EXIT_CLUSTER)
        grid.close()
        bench.grid, bench.options = None, ["--serial"]
        (bench.folder / "faults.yaml").write_text(at_once)
        bench.finish()
        bench.check(expected)
    finally:
        grid.close()
    assert bench.codes == [EXIT_INTERRUPTED] * 2 + [EXIT_CLUSTER, EXIT_OK]
