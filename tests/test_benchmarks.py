"""The rivals of the benchmarks compute what they are compared with."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import coverage
from benchmarks.loss_speed import NAMES, setting_of
from benchmarks.released import RELEASED
from benchmarks.verdict_pictures import TRUTHS, verdicts
from evenkeel.reports.statistics.intervals import Interval
from evenkeel.reports.verdict.verdict import VERDICTS
from tests.losses.plain import PLAIN


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(40, 8), (3, 40, 8)], ids=["one trial", "pack"])
def test_released_codes_give_the_plain_formula(name, shape):
    generator = torch.Generator().manual_seed(0)
    setting = setting_of(name, shape, generator)
    x = torch.randn(shape, generator=generator, dtype=torch.float64) / 4
    y = (torch.rand(shape[-2:], generator=generator) < 0.3).double()
    torch.testing.assert_close(RELEASED[name](x, y, **setting), PLAIN[name](x, y, **setting), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("file", sorted(Path(__file__).parents[1].glob("benchmarks/*.py")), ids=lambda file: file.stem)
def test_every_benchmark_fits_the_code(file):
    importlib.import_module(f"benchmarks.{file.stem}")


def test_every_verdict_has_its_picture():
    """`verdicts` raises where the page judges a study otherwise than its frame says."""
    titles = [note["text"] for note in verdicts().layout["annotations"]]
    assert set(TRUTHS) == set(VERDICTS) and all(any(verdict in t for t in titles) for verdict in VERDICTS)


@pytest.mark.long
def test_a_short_form_of_the_coverage_runs_for_real(tmp_path, capsys):
    """Two data sets, composed, trained and judged; the figures are those of the intervals that were found."""
    size = coverage.Size(sets=2, seeds=5, former_seeds=5, levels=3, m=1, epochs=1, warm_epochs=1)
    ours, former = coverage.measured(size, tmp_path, workers=1)
    coverage.report(ours, "coverage", "contradicted-verdicts")
    printed = capsys.readouterr().out
    key = next(key for key in ours[0].intervals if key.quantity == coverage.CONTRAST)
    values = [study.intervals[key].value for study in ours]
    held = [study.intervals[key].low <= np.mean(values) <= study.intervals[key].high for study in ours]
    assert coverage.coverage(ours, [key], coverage.truths(ours)) == np.mean(held)
    assert len(set(values)) == 2, "each data set is another"
    assert all(f"ratio coverage/{name} " in printed for name in coverage.QUANTITIES)
    assert all(i.image_half_width > 0 for k, i in ours[0].intervals.items() if k.quantity == coverage.CURVE)
    assert not any(i.image_half_width > 0 for k, i in former[0].intervals.items() if k.quantity == coverage.CURVE)


def test_the_truth_of_a_worst_drop_is_the_lowest_true_mean_and_verdicts_are_held_against_it():
    """Two studies, each misled about another level; together no level drops."""
    drop = coverage.Key(coverage.DROP, "f1", ("asl", "clip"))
    levels = [coverage.Key(coverage.CURVE, "f1", ("asl", "clip", level)) for level in ("0", "1")]

    def study(values, status):
        curve = {key: Interval(value, value - 0.01, value + 0.01, 6) for key, value in zip(levels, values, strict=True)}
        return coverage.Found({**curve, drop: Interval(min(values), -0.05, -0.02, 6)}, {drop: status})

    studies = [study((-0.03, 0.03), "sensitive"), study((0.03, -0.03), "real drop, size open")]
    truth = coverage.truths(studies)
    assert truth == pytest.approx({levels[0]: 0, levels[1]: 0, drop: 0})
    assert coverage.contradicted(studies, truth, 0.01) == (1.0, 1) and coverage.coverage(studies, levels, truth) == 0
    assert coverage.contradicted([study((-0.03, 0.0), "steady")], {drop: -0.03}, 0.01) == (1.0, 1)
    assert coverage.contradicted([study((-0.03, 0.0), "sensitive")], {drop: -0.03}, 0.01) == (0.0, 1)
