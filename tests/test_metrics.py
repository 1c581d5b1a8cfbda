"""Every metric equals scikit-learn's, for a whole pack, with ties."""

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from trainables.data.splits import class_groups
from trainables.measures import Evidence
from trainables.measures.evaluate import evaluate
from trainables.measures.scores import UNKNOWN, average_precision, best_thresholds, f1_at, per_class, roc_auc, summary

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
    monkeypatch.setattr("trainables.measures.evaluate.CHUNK_ELEMENTS", 10)
    parts = evaluate(evidence)
    for name, column in (whole.totals | whole.per_class).items():
        torch.testing.assert_close((parts.totals | parts.per_class)[name], column, rtol=0, atol=0, equal_nan=True)


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
