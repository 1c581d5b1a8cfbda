"""A user's own measure: a function of scores and targets of one trial, as numpy arrays."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat

import numpy as np

from evenkeel.trainables.errors import TrainableError, in_one_line
from evenkeel.trainables.measures.base import Column, Evidence, Measured, Needs
from evenkeel.trainables.own_code import own_object

if TYPE_CHECKING:
    from collections.abc import Callable


MEASURE_PAGE = "docs/study_files.md, metrics"


class MeasureRaised(TrainableError):
    """A user's measure raised an error of its own."""


@dataclass(frozen=True)
class OwnMeasure:
    """`file.py:function` or `module:function`, called with scores [N, C] in [0, 1] and targets [N, C] of 0 and 1.

    Targets are NaN where a label is missing. It returns one number; with groups of test images it is called once more
    without each of them, so that the noise of the test images is known. `function.better`, "higher" or "lower", says
    what is good, where the study file does not.
    """

    reference: str
    needs: Needs = "scores"

    @property
    def name(self) -> str:
        """Of the column: that of the function."""
        return self.reference.rpartition(":")[2].rpartition(".")[2]

    @property
    def columns(self) -> dict[str, Column]:
        return {self.name: Column(self.name.replace("_", " "), better=self.better or "higher")}

    @property
    def better(self) -> Literal["higher", "lower"] | None:
        """What the function itself says; None where it does not. Raises ValueError for anything else."""
        better = getattr(self.function(), "better", None)
        if better not in ("higher", "lower", None):
            raise ValueError(f"measure {self.reference!r}: better must be 'higher' or 'lower', got {better!r}")
        return better

    def function(self) -> "Callable[[np.ndarray, np.ndarray], float]":
        """What takes scores and targets [N, C]. Raises ValueError for what cannot be imported or called."""
        function = own_object("measure", self.reference)
        if not callable(function):
            raise ValueError(f"measure {self.reference!r}: must be a function of scores and targets")
        return function

    def compute(self, evidence: Evidence) -> Measured:
        """Raises TrainableError for a function that does not return a number."""
        import torch

        totals, images = {}, {}
        for split in evidence.targets:
            targets_NC, scores_KNC = _labelled(evidence, split), evidence.scores[split].nan_to_num(0.0).cpu().numpy()
            targets_NC.flags.writeable = scores_KNC.flags.writeable = False
            totals[f"{split}_{self.name}"] = torch.tensor([self._number(s, targets_NC) for s in scores_KNC])
            if split == "test" and evidence.image_groups is not None:
                groups_N = evidence.image_groups
                kept = [groups_N != group for group in range(int(groups_N.max()) + 1)]
                rows = [[self._number(s[rows], targets_NC[rows]) for rows in kept] for s in scores_KNC]
                images[f"{split}_{self.name}"] = torch.tensor(rows)
        return Measured(totals, images=images)

    def _number(self, scores_NC: np.ndarray, targets_NC: np.ndarray) -> float:
        return call_measure(self.reference, self.function(), scores_NC, targets_NC)


def call_measure(
    reference: str,
    function: "Callable[[np.ndarray, np.ndarray], Any]",
    scores_NC: np.ndarray,
    targets_NC: np.ndarray,
) -> float:
    """What a user's function says of scores [N, C] and targets [N, C]: one number. Raises TrainableError."""
    try:
        value = function(scores_NC, targets_NC)
    except Exception as error:  # a user's code may raise anything
        problem = f"measure {reference!r} raises {in_one_line(error)} (rule 1 of {MEASURE_PAGE})"
        raise MeasureRaised(problem) from error
    if isinstance(value, bool) or np.ndim(value) or not isinstance(value, SupportsFloat):
        words = " ".join(str(value).split())[:80]
        raise TrainableError(f"measure {reference!r}: must return one number, got {words!r} (rule 2 of {MEASURE_PAGE})")
    return float(value)


def _labelled(evidence: Evidence, split: str) -> np.ndarray:
    """Targets [N, C], NaN where a label is missing."""
    targets, mask = evidence.targets[split].double().cpu().numpy(), evidence.label_mask.get(split)
    return targets.copy() if mask is None else np.where(mask.cpu().numpy(), targets, np.nan)
