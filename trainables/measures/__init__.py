"""What is measured of a trained trial: MEASURES is the list, one file each."""

from collections.abc import Iterable

from evenkeel.trainables.errors import nearest
from evenkeel.trainables.measures.base import Column, Evidence, Measure, Measured, Needs, Trained
from evenkeel.trainables.measures.by_labels import ByLabels
from evenkeel.trainables.measures.calibration import Calibration
from evenkeel.trainables.measures.centroids import Centroids
from evenkeel.trainables.measures.embedding import ImageEmbedding
from evenkeel.trainables.measures.examples import ExampleImages
from evenkeel.trainables.measures.gradcam import GradCamMaps
from evenkeel.trainables.measures.gradients import GradientNorms
from evenkeel.trainables.measures.headline import Headline
from evenkeel.trainables.measures.noise import Noise
from evenkeel.trainables.measures.one_label import OneLabelScores
from evenkeel.trainables.measures.own import OwnMeasure
from evenkeel.trainables.measures.precision_recall import PrecisionRecall
from evenkeel.trainables.measures.predictions import Predictions
from evenkeel.trainables.measures.resolution import Resolution
from evenkeel.trainables.measures.returned import ReturnedScore
from evenkeel.trainables.measures.rise import Rise
from evenkeel.trainables.measures.softmax import SoftmaxScores
from evenkeel.trainables.measures.some_classes import some_classes

__all__ = [
    "ALWAYS",
    "HEADLINES",
    "MEASURES",
    "METRICS",
    "ONE_LABEL",
    "RETURNED",
    "UNBOUNDED",
    "Column",
    "Evidence",
    "Measure",
    "Measured",
    "Needs",
    "Trained",
    "columns",
    "measure",
    "measure_of_metric",
]

MEASURES: dict[str, Measure] = {
    "headline": Headline(),
    "rise": Rise(),
    "by-labels": ByLabels(),
    "precision-recall": PrecisionRecall(),
    "one-label": OneLabelScores(),
    "softmax": SoftmaxScores(),
    "calibration": Calibration(),
    "centroids": Centroids(),
    "gradients": GradientNorms(),
    "noise": Noise(),
    "resolution": Resolution(),
    "embedding": ImageEmbedding(),
    "gradcam": GradCamMaps(),
    "examples": ExampleImages(),
    "predictions": Predictions(),
}


ALWAYS = ("headline", "rise")
"""Measured of every trial; a study may ask for more."""
RETURNED = "returned:"
"""Before the name of a score that a user's training function returns."""


def measure(name: str) -> Measure:
    """The measure of that name: one of MEASURES, of some classes (`auc_of_<class>`, `map_tail`), a user's own
    (`file.py:function`), or a score that a training function returns (`returned:<score>`).

    Raises ValueError when there is none.
    """
    if name in MEASURES:
        return MEASURES[name]
    if name.startswith(RETURNED):
        return ReturnedScore(name.removeprefix(RETURNED))
    if ":" in name:
        return OwnMeasure(name)
    if of_classes := some_classes(name):
        return of_classes
    raise ValueError(f"unknown measure {name!r}; {nearest(name, MEASURES)}")


def columns(names: Iterable[str] = ALWAYS) -> dict[str, Column]:
    """The declared columns of the named measures, in order."""
    return {name: column for key in names for name, column in measure(key).columns.items()}


HEADLINES = tuple(name for name, column in columns().items() if column.headline)
"""The metrics that the page of every study can be switched to."""

METRICS = {
    column: key
    for key, kind in MEASURES.items()
    for column, declared in kind.columns.items()
    if {"val", "test"} <= set(declared.splits)
}
"""The metrics that a study can be judged by, each with its measure: the columns that are scored on val and test."""


ONE_LABEL = "one-label"
"""The measure whose metrics are undefined with another number of labels an image."""
UNBOUNDED = ("cross_entropy", "log_loss")
"""Metrics that may lie above 1, so that their margins may."""


def measure_of_metric(metric: str) -> str | None:
    """The name of the measure that gives a metric, or None: of a column, of one class, of a group of classes."""
    if metric in METRICS:
        return METRICS[metric]
    return metric if some_classes(metric) else None
