"""From what a pack of trials predicts to their results; who left the finite numbers is scored at the floor.

The floor is the constant predictor that gives every row the training frequencies: divergence is an outcome of a loss,
and dropping such trials would hide it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from evenkeel.trainables.measures import ALWAYS, Evidence, Measured, measure
from evenkeel.trainables.measures.evaluate import evaluate, number, of_trial
from evenkeel.trainables.result import Result


@dataclass
class TrainingCurves:
    """Values [K] of each epoch by name; `train_loss` tells who left the finite numbers, and when."""

    num_trials: int
    values: dict[str, list[Tensor]] = field(default_factory=dict)

    def add(self, **epoch: Tensor) -> None:
        """One epoch: a value [K] for each name."""
        for name, value in epoch.items():
            self.values.setdefault(name, []).append(value.detach().cpu())

    def diverged_epoch(self) -> list[int | None]:
        """Per trial the first epoch (from 1) with a non-finite loss, or None."""
        losses = self.values.get("train_loss", [])
        finite = torch.stack(losses).isfinite() if losses else torch.ones(0, self.num_trials)
        return [int((~column.bool()).nonzero()[0]) + 1 if not column.all() else None for column in finite.T]

    def stacked(self) -> dict[str, Tensor]:
        """The curves of all trials by name, [K, E]."""
        return {name: torch.stack(epochs, -1) for name, epochs in self.values.items()}

    def of_trial(self, k: int) -> dict[str, list[float | None]]:
        """The curves of trial `k`, by column name."""
        return {name: [number(epoch[k]) for epoch in epochs] for name, epochs in self.values.items()}


def results(
    evidence: Evidence,
    prior: Tensor,
    curves: TrainingCurves,
    measures: Sequence[str] = ALWAYS,
    *,
    epochs: int,
    wall_s: float,
    paths: list[str],
) -> list[Result]:
    """One result a trial: measured, or at the floor where it diverged, which only measures of scores have.

    `prior` [C] are the training frequencies, `wall_s` what the pack took, `paths` the path each loss took.
    """
    diverged = curves.diverged_epoch()
    evidence = replace(evidence, curves=curves.stacked())
    measured = evaluate(evidence, measures) if None in diverged else Measured()
    of_scores = [name for name in measures if measure(name).needs == "scores"]
    floor = evaluate(at_prior(evidence, prior), of_scores) if any(diverged) else measured
    return [
        _result(epoch, measured if epoch is None else floor, k, curves, epochs, wall_s / len(diverged), paths[k])
        for k, epoch in enumerate(diverged)
    ]


def stopped_result(curves: TrainingCurves, reason: str, wall_s: float) -> Result:
    """The result of the one trial of `curves`, of shape [1] each, that was stopped after its last epoch there."""
    own = curves.of_trial(0)
    num_epochs = max(map(len, own.values()))
    return Result("censored", curves=own, epochs_done=num_epochs, wall_s=wall_s, note=reason)


def at_prior(evidence: Evidence, prior: Tensor) -> Evidence:
    """The constant predictor with scores `prior` [C] in place of the trials, K = 1."""
    scores = {name: prior.double().expand(1, len(rows), -1) for name, rows in evidence.targets.items()}
    return Evidence(scores, evidence.targets, evidence.groups, evidence.label_mask, classes=evidence.classes)


def _result(
    epoch: int | None, measured: Measured, k: int, curves: TrainingCurves, epochs: int, wall_s: float, path: str
) -> Result:
    return Result(
        state="done" if epoch is None else "diverged",
        **of_trial(measured, k if epoch is None else 0)._asdict(),
        curves=curves.of_trial(k),
        epochs_done=epochs if epoch is None else epoch - 1,
        wall_s=wall_s,
        loss_path=path,
        note=None if epoch is None else f"the loss was not finite in epoch {epoch}; scored at the floor",
        files=measured.files,
    )
