"""Every metric equals scikit-learn's, for a whole pack, with ties."""

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from evenkeel.trainables.data.settings import ClassGroups
from evenkeel.trainables.data.split_facts import DataSplits
from evenkeel.trainables.data.stratify import class_groups
from evenkeel.trainables.measures import Evidence
from evenkeel.trainables.measures.evaluate import evaluate
from evenkeel.trainables.measures.scores import (
    UNKNOWN,
    average_precision,
    best_thresholds,
    f1_at,
    per_class,
    roc_auc,
    summary,
)

K, N, C = 3, 80, 6


@pytest.fixture(params=["smooth", "tied", "constant"])
def case(request, rng):
    scores = rng.random((K, N, C))
    if request.param == "tied":
        scores = np.round(scores, 1)
    if request.param == "constant":
        scores[:] = 0.3
    targets = (rng.random((N, C)) < [0.5, 0.3, 0.2, 0.1, 0.05, 0.0]).astype(float)
    targets[0, :5] = 1
    return torch.tensor(scores), torch.tensor(targets)


def by_class(function, scores, targets):
    return [
        [function(targets[:, c].numpy(), scores[k, :, c].numpy()) if targets[:, c].any() else np.nan for c in range(C)]
        for k in range(K)
    ]


def test_average_precision(case):
    expected = by_class(reference.average_precision_score, *case)
    np.testing.assert_allclose(average_precision(*case), expected, rtol=1e-9, atol=1e-12)


def test_roc_auc(case):
    np.testing.assert_allclose(roc_auc(*case), by_class(reference.roc_auc_score, *case), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("threshold", [0.5, 0.3, 0.0])
def test_f1(case, threshold):
    expected = by_class(lambda y, s: reference.f1_score(y, s >= threshold, zero_division=0), *case)
    np.testing.assert_allclose(f1_at(*case, threshold), expected, rtol=1e-9)


def test_best_thresholds_reach_the_highest_f1_of_all_thresholds(case):
    scores, targets = case
    chosen = best_thresholds(scores, targets)
    reached = f1_at(scores, targets, chosen)
    for k in range(K):
        for c in range(C - 1):
            y, s = targets[:, c].numpy(), scores[k, :, c].numpy()
            best = max(reference.f1_score(y, s >= t, zero_division=0) for t in np.unique(s))
            assert reached[k, c].item() == pytest.approx(best, abs=1e-12)
    assert (chosen[:, -1] == 0.5).all()


def test_a_class_without_positives_is_left_out_of_the_means(case):
    scores, targets = case
    values = per_class(scores, targets, best_thresholds(scores, targets))
    assert all(column[:, -1].isnan().all() and not column[:, :-1].isnan().any() for column in values)
    means = summary(values, {"head": [0, 1], "medium": [2, 3], "tail": [5]})
    torch.testing.assert_close(means["map"], values.map[:, :5].mean(-1))
    torch.testing.assert_close(means["f1_head"], values.f1[:, :2].mean(-1))
    assert means["mauc_tail"].isnan().all()


def test_chunks_cover_the_pack(monkeypatch, rng):
    split = {"val": 8, "test": 9}
    scores = {name: torch.tensor(rng.random((5, rows, 2))) for name, rows in split.items()}
    targets = {name: torch.tensor(rng.random((rows, 2)) < 0.5).double() for name, rows in split.items()}
    evidence = Evidence(scores, targets, {"head": [0]})
    whole = evaluate(evidence)
    monkeypatch.setattr("evenkeel.trainables.measures.evaluate.CHUNK_ELEMENTS", 10)
    parts = evaluate(evidence)
    for name, column in (whole.totals | whole.per_class).items():
        torch.testing.assert_close((parts.totals | parts.per_class)[name], column, rtol=0, atol=0, equal_nan=True)


def evidence_of(scores, targets, image_groups=None, known=None):
    return Evidence(
        {"val": scores, "test": scores},
        {"val": targets, "test": targets},
        {"head": [0]},
        {} if known is None else {"val": known, "test": known},
        image_groups=image_groups,
    )


def weighted(metric, weights, targets, scores):
    """A macro metric in which an image counts as often as its weight says, by scikit-learn."""
    values = []
    for c in range(C - 1):
        y, s = targets[:, c].numpy(), scores[:, c].numpy()
        if metric == "f1":
            values.append(reference.f1_score(y, s >= 0.5, sample_weight=weights, zero_division=0))
        elif metric == "map":
            values.append(reference.average_precision_score(y, s, sample_weight=weights))
        else:
            values.append(reference.roc_auc_score(y, s, sample_weight=weights))
    return np.mean(values)


@pytest.mark.parametrize("metric", ["f1", "map", "mauc"])
def test_metrics_without_a_group_of_images_follow_its_weight(case, metric):
    """Slopes by numerical differentiation of scikit-learn's weighted metrics, group by group."""
    scores, targets = case
    groups = np.arange(N) % 5
    measured = evaluate(evidence_of(scores, targets, groups))
    step = 1e-5
    for k in range(K):
        for group in range(5):
            member = (groups == group).astype(float)
            more, less = (weighted(metric, 1 + sign * step * member, targets, scores[k]) for sign in (1, -1))
            expected = measured.totals[f"test_{metric}"][k] - 5 / 4 * (more - less) / (2 * step)
            assert measured.images[f"test_{metric}"][k, group] == pytest.approx(float(expected), abs=1e-6)


def test_labels_that_are_not_known_weigh_nothing(case):
    """An unknown entry of one class: that class is scored, group by group, as if the image were not there."""
    scores, targets = case
    known = torch.ones(N, C, dtype=torch.bool)
    known[3:13, 0], targets[3:13, 0] = False, 0
    groups, rest = np.arange(N) % 5, np.r_[0:3, 13:N]
    whole = evaluate(evidence_of(scores[..., :1], targets[:, :1], groups, known[:, :1]))
    without = evaluate(evidence_of(scores[:, rest, :1], targets[rest, :1], groups[rest]))
    for name in ("test_f1", "test_map", "test_mauc"):
        torch.testing.assert_close(whole.images[name], without.images[name])


def test_the_error_of_the_images_is_that_of_fresh_images(rng):
    """The jackknife's standard error against the spread of the metrics over 400 fresh test sets."""
    positive = rng.random((400, 1000, 2)) < [0.3, 0.1]
    scores = torch.tensor(1 / (1 + np.exp(-rng.normal(positive * 1.5 - 1, 1))))
    targets = torch.tensor(positive.astype(float))
    drawn = [evaluate(evidence_of(s[None], t, np.arange(1000) % 50)) for s, t in zip(scores, targets, strict=True)]
    for metric in ("f1", "map", "mauc"):
        spread = torch.cat([m.totals[f"test_{metric}"] for m in drawn]).std()
        without = torch.cat([m.images[f"test_{metric}"] for m in drawn])
        errors = (49 / 50 * ((without - without.mean(-1, keepdim=True)) ** 2).sum(-1)).sqrt()
        assert float(errors.mean() / spread) == pytest.approx(1, abs=0.1), metric


def test_image_groups_are_even_and_keep_patients_together():
    targets, split = np.ones((300, 1)), np.repeat([0, 1, 2], 100).astype(np.uint8)
    alone = DataSplits("x", targets, split, None, ["a"], None, ClassGroups()).image_groups()
    assert (np.bincount(alone) == 2).all() and len(np.bincount(alone)) == 50
    patients = np.repeat(np.arange(60), 5)
    together = DataSplits("x", targets, split, patients, ["a"], None, ClassGroups()).image_groups()
    homes = {p: set(together[patients[200:] == p]) for p in set(patients[200:])}
    assert all(len(home) == 1 for home in homes.values()) and len(set(together)) == 20


def test_groups_follow_the_counts_of_the_benchmarks():
    assert class_groups([100, 99, 20, 19], 100, 20) == {"head": [0], "medium": [1, 2], "tail": [3]}


def test_a_missing_label_is_no_row_of_its_class(rng):
    """Scored UNKNOWN, an entry leaves every metric as if its row were not there for that class."""
    from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

    scores = torch.from_numpy(rng.random((1, 60, 4)).round(1))
    known = torch.from_numpy(rng.random((60, 4)) < 0.7)
    targets = torch.from_numpy((rng.random((60, 4)) < 0.3).astype(float)) * known
    masked = torch.where(known, scores, UNKNOWN)
    found = per_class(masked, targets, best_thresholds(masked, targets))
    for c in range(4):
        truth, score = targets[known[:, c], c].numpy(), scores[0, known[:, c], c].numpy()
        assert found.map[0, c] == pytest.approx(average_precision_score(truth, score))
        assert found.mauc[0, c] == pytest.approx(roc_auc_score(truth, score))
        assert found.f1[0, c] == pytest.approx(f1_score(truth, score >= 0.5))
        assert found.f1_tuned[0, c] == pytest.approx(max(f1_score(truth, score >= t) for t in np.unique(score)))
