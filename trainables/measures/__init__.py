"""What is measured of a trained trial: MEASURES is the list, one file each."""

from collections.abc import Iterable

from evenkeel.trainables.measures.base import Column, Evidence, Measure, Measured, Needs, Trained
from evenkeel.trainables.measures.by_labels import ByLabels
from evenkeel.trainables.measures.calibration import Calibration
from evenkeel.trainables.measures.centroids import Centroids
from evenkeel.trainables.measures.embedding import Embedding
from evenkeel.trainables.measures.examples import Examples
from evenkeel.trainables.measures.gradcam import GradCam
from evenkeel.trainables.measures.gradients import Gradients
from evenkeel.trainables.measures.headline import Headline
from evenkeel.trainables.measures.noise import Noise
from evenkeel.trainables.measures.one_label import OneLabel
from evenkeel.trainables.measures.precision_recall import PrecisionRecall
from evenkeel.trainables.measures.predictions import Predictions
from evenkeel.trainables.measures.resolution import Resolution
from evenkeel.trainables.measures.rise import Rise
from evenkeel.trainables.measures.softmax import SoftmaxScores

__all__ = [
    "ALWAYS",
    "HEADLINES",
    "MEASURES",
    "Column",
    "Evidence",
    "Measure",
    "Measured",
    "Needs",
    "Trained",
    "columns",
]

MEASURES: dict[str, Measure] = {
    "headline": Headline(),
    "rise": Rise(),
    "by-labels": ByLabels(),
    "precision-recall": PrecisionRecall(),
    "one-label": OneLabel(),
    "softmax": SoftmaxScores(),
    "calibration": Calibration(),
    "centroids": Centroids(),
    "gradients": Gradients(),
    "noise": Noise(),
    "resolution": Resolution(),
    "embedding": Embedding(),
    "gradcam": GradCam(),
    "examples": Examples(),
    "predictions": Predictions(),
}


ALWAYS = ("headline", "rise")
"""Measured of every trial; a study may ask for more."""


def columns(names: Iterable[str] = ALWAYS) -> dict[str, Column]:
    """The declared columns of the named measures, in order."""
    return {name: column for key in names for name, column in MEASURES[key].columns.items()}


HEADLINES = tuple(name for name, column in columns().items() if column.headline)
"""The metrics that a study can be judged by."""
