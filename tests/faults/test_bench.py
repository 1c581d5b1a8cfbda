"""The short form of `make faults`: signals meet one study in turn (dead nodes: tests/test_node_monitor.py)."""

import random
import sys

import pytest

from benchmarks.faults import FAULTS, STUDY, Bench, undisturbed
from benchmarks.outside import try_all
from evenkeel.study.errors import EXIT_CLUSTER, EXIT_INTERRUPTED, EXIT_OK

MET = {
    "SIGHUP": EXIT_INTERRUPTED,
    "Ctrl-C once": EXIT_INTERRUPTED,
    "Ctrl-C twice": EXIT_INTERRUPTED,
    "SIGKILL of the driver": -9,
    "SIGKILL of the driver's inner process": EXIT_CLUSTER,
}


@pytest.mark.slow
@pytest.mark.long
def test_a_study_outlives_signals(tmp_path):
    text = STUDY.format(seeds=1, trial_s=0.1, pack_size=4)
    at_once = text.replace("trial_s: 0.1", "trial_s: 0")
    expected = undisturbed(tmp_path / "undisturbed", at_once)
    bench = Bench(tmp_path / "disturbed", text, None, random.Random(0), ["--serial"], most=6)
    for name in MET:
        FAULTS[name](bench)
    (bench.folder / "faults.yaml").write_text(at_once)
    bench.finish()
    bench.check(expected)
    assert bench.codes == [*MET.values(), EXIT_OK]


QUICK = ("losses", "measures", "results", "data sets and trainables", "study files", "folders of others")


@pytest.mark.parametrize("group", QUICK)
def test_things_from_outside_are_met_as_they_must_be(group, capsys, monkeypatch):
    """The quick half of the second table of `make faults`."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert try_all([group]) == 0, capsys.readouterr().out
