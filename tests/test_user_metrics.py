"""Metrics beyond the four headline scores: values and values without each group of images, from scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.measures import METRICS, Evidence, measure, measure_of_metric
from evenkeel.trainables.measures.evaluate import evaluate

N, C, K, G = 60, 4, 3, 6
CLASSES = ("cat", "dog", "a (rare) bird", "fish")


def one_label(seed=0, num_rows=N):
    """K trials of data with one label an image, in G groups; class 3 is rare."""
    rng = np.random.default_rng(seed)
    labels = {split: np.minimum(rng.integers(0, 5, size=num_rows), 3) for split in ("val", "test")}
    for row in labels.values():
        row[:C] = np.arange(C)
    scores = {split: torch.tensor(rng.dirichlet(np.ones(C), size=(K, num_rows))) for split in labels}
    targets = {split: torch.tensor(np.eye(C)[row]) for split, row in labels.items()}
    groups = np.concatenate([np.full(C, G - 1), rng.integers(0, G - 1, size=num_rows - C)])
    return Evidence(scores, targets, {"head": [0, 1], "tail": [2, 3]}, classes=CLASSES, image_groups=groups)


def several_labels(seed=0):
    rng = np.random.default_rng(seed)
    targets = {split: torch.tensor((rng.random((N, C)) < 0.4).astype(float)) for split in ("val", "test")}
    scores = {split: torch.tensor(rng.random((K, N, C))) for split in targets}
    return Evidence(
        scores, targets, {"head": [0, 1], "tail": [2, 3]}, classes=CLASSES, image_groups=rng.integers(0, G, size=N)
    )


def chosen(function, **given):
    return lambda y, s: function(y.argmax(1), s.argmax(1), **given)


BY_SCIKIT_LEARN = {
    "accuracy": chosen(reference.accuracy_score),
    "balanced_accuracy": chosen(reference.balanced_accuracy_score),
    "kappa": chosen(reference.cohen_kappa_score),
    "f1_argmax": lambda y, s: reference.f1_score(
        y.argmax(1), s.argmax(1), average="macro", labels=np.unique(y.argmax(1)), zero_division=0
    ),
    "cross_entropy": lambda y, s: reference.log_loss(y.argmax(1), s, labels=range(C)),
    "log_loss": lambda y, s: np.mean([reference.log_loss(y[:, c], s[:, c], labels=[0, 1]) for c in range(C)]),
    "brier": lambda y, s: np.mean([reference.brier_score_loss(y[:, c], s[:, c]) for c in range(C)]),
}


@pytest.mark.parametrize("name", BY_SCIKIT_LEARN)
@pytest.mark.parametrize("seed", range(3))
def test_a_metric_is_scikit_learns_with_and_without_each_group_of_images(name, seed):
    evidence, expected = one_label(seed), BY_SCIKIT_LEARN[name]
    found = evaluate(evidence, (measure_of_metric(name),))
    for split in ("val", "test"):
        y = evidence.targets[split].numpy()
        for k in range(K):
            assert found.totals[f"{split}_{name}"][k] == pytest.approx(expected(y, evidence.scores[split][k].numpy()))
    y, s = evidence.targets["test"].numpy(), evidence.scores["test"].numpy()
    for group in range(int(evidence.image_groups.max()) + 1):
        kept = evidence.image_groups != group
        for k in range(K):
            assert found.images[f"test_{name}"][k, group] == pytest.approx(expected(y[kept], s[k][kept]))


def test_calibration_error_without_a_group_is_that_of_the_other_images():
    evidence = several_labels()
    found = evaluate(evidence, ("calibration",))
    for group in range(G):
        kept = torch.tensor(evidence.image_groups != group)
        rest = Evidence(
            {split: s[:, kept] for split, s in evidence.scores.items()},
            {split: y[kept] for split, y in evidence.targets.items()},
            {},
        )
        alone = evaluate(rest, ("calibration",)).totals["test_ece"]
        torch.testing.assert_close(found.images["test_ece"][:, group], alone)


def test_scores_of_the_highest_class_are_undefined_with_several_labels():
    found = evaluate(several_labels(), ("one-label",))
    assert all(values.isnan().all() for values in found.totals.values()) and not found.images


@pytest.mark.parametrize(
    ("metric", "function"),
    [("auc", reference.roc_auc_score), ("ap", reference.average_precision_score)],
)
def test_one_class_is_scored_as_by_scikit_learn(metric, function):
    evidence = several_labels()
    for number, label in enumerate(CLASSES):
        found = evaluate(evidence, (measure_of_metric(f"{metric}_of_{label}"),))
        ((column, values),) = ((name, v) for name, v in found.totals.items() if name.startswith("test_"))
        y, s = evidence.targets["test"].numpy()[:, number], evidence.scores["test"].numpy()[:, :, number]
        assert values.tolist() == pytest.approx([function(y, row) for row in s])
        assert found.images[column].shape == (K, G) and "(" not in column


def test_the_noise_of_one_class_is_near_that_of_leaving_images_out():
    """Influence is of first order, so it is held against the real thing on many images."""
    rng = np.random.default_rng(1)
    y = (rng.random((4000, 1)) < 0.3).astype(float)
    s = np.clip(0.3 * y + rng.random((1, 4000, 1)) * 0.7, 0, 1)
    groups = rng.integers(0, 20, size=4000)
    both = {split: torch.tensor(s) for split in ("val", "test")}
    evidence = Evidence(both, dict.fromkeys(both, torch.tensor(y)), {}, classes=("cat",), image_groups=groups)
    found = evaluate(evidence, ("auc_of_cat",)).images["test_auc_of_cat"][0].numpy()
    exact = [reference.roc_auc_score(y[groups != g, 0], s[0, groups != g, 0]) for g in range(20)]
    assert found.std() == pytest.approx(np.std(exact), rel=0.05)


def test_a_group_of_classes_has_the_noise_of_its_images():
    evidence = several_labels()
    found, whole = evaluate(evidence, ("map_tail",)), evaluate(evidence, ("headline",))
    assert not found.totals and "test_map_tail" in whole.totals
    noise = found.images["test_map_tail"]
    torch.testing.assert_close(noise.mean(-1), whole.totals["test_map_tail"], atol=0.02, rtol=0)


def test_a_class_that_the_data_lacks_is_named():
    with pytest.raises(TrainableError, match="no class 'dgo'; did you mean 'dog'"):
        evaluate(several_labels(), ("auc_of_dgo",))


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """A folder on the path, as that of a study file is."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_users_own_measure_is_called_for_each_trial_and_without_each_group(beside):
    (beside / "mine_top.py").write_text(
        "import numpy as np\n\n\ndef top_2(scores, targets):\n"
        "    best = np.argsort(-scores, axis=1)[:, :2]\n"
        "    return np.mean([targets[i, row].any() for i, row in enumerate(best)])\n\n\ntop_2.better = 'higher'\n"
    )
    evidence = one_label()
    found = evaluate(evidence, ("mine_top.py:top_2",))
    y, s = evidence.targets["test"].numpy().argmax(1), evidence.scores["test"].numpy()
    expected = [reference.top_k_accuracy_score(y, row, k=2) for row in s]
    assert found.totals["test_top_2"].tolist() == pytest.approx(expected)
    kept = evidence.image_groups != 2
    assert found.images["test_top_2"][0, 2] == pytest.approx(
        reference.top_k_accuracy_score(y[kept], s[0][kept], k=2, labels=range(C))
    )
    assert measure("mine_top.py:top_2").columns["top_2"].better == "higher"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def score(scores, targets):\n    return 'good'\n", "must return one number, got 'good'"),
        ("score = 3\n", "must be a function of scores and targets"),
        ("def other(): ...\n", "has no 'score'; valid: other"),
        ("import nowhere_at_all\n", "No module named 'nowhere_at_all'"),
        ("def score(s, t): return 0\nscore.better = 'up'\n", "better must be 'higher' or 'lower', got 'up'"),
    ],
)
def test_a_wrong_measure_is_one_line(beside, text, message):
    name = f"wrong_{abs(hash(text))}.py"
    (beside / name).write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        found = measure(f"{name}:score")
        assert found.columns
        evaluate(one_label(), (f"{name}:score",))
    assert "\n" not in str(caught.value)


def test_every_metric_is_scored_on_validation_and_test():
    assert {"accuracy", "balanced_accuracy", "f1_argmax", "kappa", "ece", "log_loss", "map", "mauc"} <= set(METRICS)
    assert measure_of_metric("nonsense") is None and measure_of_metric("map_tail") == "map_tail"
