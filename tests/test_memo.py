"""What a table remembers is what would be worked out again, and never that of other trials; what the page packs."""

import numpy as np
import pytest

from evenkeel.reports.page.payload import Columns
from evenkeel.reports.table.designs import sobol_points_of, sweep_of, with_metric
from tests.synthetic import table
from tests.test_sections import sharp


def test_a_sweep_is_cut_once_a_metric(rng):
    trials = table(rng, sharp)
    trials["test_map"] = trials.test_f1 / 2
    shown, other = with_metric(trials, "f1"), with_metric(with_metric(trials, "f1"), "map")
    found = sweep_of(shown, "ral", "clip")
    assert found is sweep_of(shown, "ral", "clip") and sobol_points_of(shown, "ral") is sobol_points_of(shown, "ral")
    np.testing.assert_allclose(sweep_of(other, "ral", "clip").scores_LS, found.scores_LS / 2)
    assert sweep_of(trials, "ral", "clip") is not sweep_of(trials, "ral", "clip")  # may still be changed


def test_other_trials_are_not_taken_for_those_remembered(rng):
    shown = with_metric(table(rng, sharp), "f1")
    before = sweep_of(shown, "ral", "clip").scores_LS
    fewer = shown[shown.seed > 0]
    assert np.isnan(sweep_of(fewer, "ral", "clip").scores_LS[:, 0]).all() and np.isfinite(before).all()


def test_a_sweep_holds_the_scores_of_its_trials(rng):
    trials = table(rng, sharp)
    sweep = sweep_of(trials, "ral", "clip")
    rows = trials[
        (trials.loss == "ral") & (trials.design == "sweep") & (trials.moved.isna() | (trials.moved == "clip"))
    ]
    means = rows.groupby("hp.clip").test_f1.mean()
    assert sweep.levels == sorted(means.index)
    np.testing.assert_allclose(sweep.scores_LS.mean(1), means.sort_index())


def test_packed_columns_hold_five_decimals_of_every_trial(rng):
    trials = table(rng, sharp)
    trials.loc[3, ["test_f1", "test_map"]] = np.nan, 1.0
    trials["test_mauc"] = trials.test_f1 * 1e-5  # too small for a column of scores
    packed = Columns(trials)
    order = trials.set_index("trial_id").loc[packed["trial_id"]]
    assert set(packed["trial_id"]) == set(trials.trial_id)
    for name in ("test_f1", "test_map"):
        width, digits = packed[name]["width"], packed[name]["digits"]
        texts = [digits[i : i + width] for i in range(0, len(digits), width)]
        read = [int(text) / 1e5 if text.strip() else np.nan for text in texts]
        np.testing.assert_allclose(read, order[name], atol=5.1e-6)
    assert [np.nan if v is None else v for v in packed["test_mauc"]] == pytest.approx(
        order.test_mauc.tolist(), rel=1e-5, nan_ok=True
    )


def test_trials_of_a_setting_are_neighbours(rng):
    packed = Columns(table(rng, sharp))
    keys = list(zip(packed["loss"], packed["design"], packed["hp.clip"], packed["hp.gamma_neg"], strict=True))
    changes = sum(a != b for a, b in zip(keys, keys[1:], strict=False))
    assert changes < len(set(keys)) + 6  # of confirmed and searched settings that differ in a third hyperparameter
