"""The contract of a user's own measure, tried before anything trains and kept while it does."""

import sys

import numpy as np
import pytest
import torch

from evenkeel.trainables.contract import check_measures
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.measures import Evidence
from evenkeel.trainables.measures.own import OwnMeasure

REFUSED = {
    "an array": ("scores.mean(0)", "must return one number, got"),
    "a text": ("'0.5'", "must return one number, got '0.5'"),
    "a truth": ("bool(scores.sum() > 0)", "must return one number, got 'True'"),
    "nothing": ("None", "must return one number, got 'None'"),
    "a dictionary": ("{'a': 1}", "must return one number"),
    "other numbers": ("numpy.random.rand()", "gives other numbers the second time"),
    "a count of calls": ("calls.append(1) or len(calls)", "gives other numbers the second time, 1 and 2"),
    "an error": ("1 / 0", "raises ZeroDivisionError: division by zero"),
    "a name that is not there": ("nothing", "raises NameError: name 'nothing'"),
    "a key that is not there": ("scores['f1']", "raises IndexError: only integers"),
    "writes to scores": ("scores.sort()", "raises ValueError: sort array is read-only"),
    "writes to targets": ("targets.__setitem__(0, 1)", "raises ValueError: assignment destination is read-only"),
    "another class than there is": ("scores[:, 7].mean()", "raises IndexError: index 7 is out of bounds"),
}


@pytest.fixture(autouse=True)
def path_as_before(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))


NAMES = iter(range(1000))
TEXT = "import numpy\ncalls = []\n\n\ndef own(scores, targets):\n    return {}\n"


def written(folder, expression):
    path = folder / f"own_measure_{next(NAMES)}.py"
    path.write_text(TEXT.format(expression))
    sys.path.insert(0, str(folder))
    return f"{path.stem}:own"


@pytest.mark.parametrize("case", REFUSED)
def test_a_measure_that_breaks_a_rule_is_refused_in_a_line(case, tmp_path):
    expression, words = REFUSED[case]
    with pytest.raises(TrainableError, match=r"rule \d of docs/study_files.md") as refusal:
        check_measures([written(tmp_path, expression)], 3)
    assert words in str(refusal.value) and "own" in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("expression", ["1", "numpy.float32(0.5)", "scores.mean()", "numpy.nan", "float('inf')",
                                        "numpy.array(0.25)", "targets[:, 2].mean()"])  # fmt: skip
def test_a_measure_that_keeps_the_rules_passes(expression, tmp_path):
    check_measures([written(tmp_path, expression)], 3)


def test_where_the_classes_are_not_known_a_measure_may_raise(tmp_path):
    check_measures([written(tmp_path, "scores[:, 7].mean()")], None)


def test_arguments_cannot_be_written_while_trials_are_measured(tmp_path):
    scores = {split: torch.rand(2, 6, 3, dtype=torch.float64) for split in ("val", "test")}
    targets = {split: torch.eye(3).repeat(2, 1) for split in scores}
    before = {split: tensor.clone() for split, tensor in targets.items()}
    measure = OwnMeasure(written(tmp_path, "targets.fill(1)"))
    with pytest.raises(TrainableError, match="raises ValueError"):
        measure.compute(Evidence(scores, targets, {}))
    assert all(torch.equal(targets[split], before[split]) for split in targets)
    assert np.isfinite(scores["val"].numpy()).all()
