"""What is asked of a user's own measures, data sets and trainables, tried before any cluster time.

A refusal is one line: which class, which rule, what was seen. The rules stand in docs/adding_a_trainable.md,
docs/adding_a_data_set.md and docs/study_files.md (measures). Losses: `evenkeel.trainables.loss_contract`. What a
trainable hands back is checked as it comes (`evenkeel.trainables.result_contract`), what a data set loads when it is
loaded (`evenkeel.trainables.data.own_contents`).
"""

import json
from collections.abc import Sequence

import numpy as np

from evenkeel.trainables.base import Trainable
from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.data.own_contents import DATA_PAGE
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.measures.own import MEASURE_PAGE, MeasureRaised, OwnMeasure, call_measure
from evenkeel.trainables.own_identity import json_of
from evenkeel.trainables.result_contract import TRAINABLE_PAGE

NUM_CLASSES = 4
"""Of the small batch, where it is not known how many there are."""


def check_measures(references: Sequence[str], num_classes: int | None) -> None:
    """Try a user's own measures on a small batch with so many classes (None: not known, then it may raise).

    Raises TrainableError for the first that breaks a rule.
    """
    for measure in map(OwnMeasure, references):
        scores_NC, targets_NC = _small_scores(num_classes or NUM_CLASSES)
        scores_NC.flags.writeable = targets_NC.flags.writeable = False
        try:
            first, second = (
                call_measure(measure.reference, measure.function(), scores_NC, targets_NC) for _ in range(2)
            )
        except MeasureRaised:
            if num_classes is None:
                continue
            raise
        if first != second and not np.isnan([first, second]).all():
            raise TrainableError(
                f"measure {measure.reference!r} gives other numbers the second time, {first:g} and {second:g} "
                f"(rule 3 of {MEASURE_PAGE})"
            )


def _small_scores(num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores [N, C] in [0, 1] and targets [N, C] with one label an image, four images a class."""
    targets_NC = np.tile(np.eye(num_classes), (4, 1))
    return np.random.default_rng(0).random(targets_NC.shape), targets_NC


def check_data_set(data: DataSet) -> None:
    """Raises TrainableError for a user's own data set whose contents are others when it is asked again."""
    name = f"data: {data.name}"
    for method, call in (("fingerprint", data.fingerprint), ("identity", data.identity)):
        if json_of(name, method, call) != json_of(name, method, call):
            raise TrainableError(
                f"{name}: {method}() gives something else the second time; it must depend on the contents alone "
                f"(rule 3 of {DATA_PAGE})"
            )


def check_trainable(trainable: Trainable, data: DataSet) -> None:
    """Raises TrainableError for a user's own trainable whose identity or summary is not what is asked."""
    name = f"trainable: {trainable.name}"
    first, second = (json_of(name, "identity", lambda: trainable.identity(data)) for _ in range(2))
    if first != second:
        raise TrainableError(f"{name}: identity() gives something else the second time (rule 1 of {TRAINABLE_PAGE})")
    summary = json.loads(json_of(name, "summary", trainable.summary))
    if not isinstance(summary, dict) or not all(isinstance(text, str) for pair in summary.items() for text in pair):
        raise TrainableError(f"{name}: summary() must give texts by name, got {summary!r} (rule 2 of {TRAINABLE_PAGE})")
