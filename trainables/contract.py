"""What is asked of code of a user's own, tried on a small batch before any cluster time.

A refusal is one line: which class, which rule, what was seen. The rules stand in docs/adding_a_loss.md (losses),
docs/adding_a_trainable.md (trainables and data sets) and docs/study_files.md (measures). What a trainable hands back is
checked as it comes: `evenkeel.trainables.result_contract`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evenkeel.trainables.base import Trainable
from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.measures.own import MEASURE_PAGE, MeasureRaised, OwnMeasure, call_measure
from evenkeel.trainables.packing import make_loss, travels_alone

LOSS_PAGE = "docs/adding_a_loss.md"
TRAINABLE_PAGE = "docs/adding_a_trainable.md"
COUNTS = (6, 4, 2, 1)
"""Training positives of the classes of the small batch."""
NUM_ROWS = 8
TOLERANCE = 1e-5
"""Of numbers and slopes, relative to the largest: a pack may round in another order."""


@dataclass(frozen=True)
class OwnLoss:
    """A loss as a study plans it: its label, its `module:Class`, settings of its hyperparameters, defaults first."""

    label: str
    name: str
    settings: Sequence[dict[str, Any]]
    one_label: bool = False


def is_own(name: str) -> bool:
    """Whether a loss, data set or trainable is a user's own, `module:Class`."""
    return ":" in name


def check_losses(losses: Sequence[OwnLoss]) -> None:
    """Raises TrainableError for the first loss that breaks a rule."""
    for loss in losses:
        _LossCheck(loss).run()


@dataclass(frozen=True)
class _LossCheck:
    """One loss on a small batch of float32 logits [B, C] (alone) and [K, B, C] (a pack of K settings)."""

    loss: OwnLoss

    def run(self) -> None:
        logits, targets = _small_batch(len(self.loss.settings), self.loss.one_label)
        generator = torch.get_rng_state()
        alone = [
            self._value_and_slope(1, [setting], logits[k : k + 1], targets, finite=k == 0)
            for k, setting in enumerate(self.loss.settings)
        ]
        again = self._value_and_slope(1, self.loss.settings[:1], logits[:1], targets)
        if self._alone:
            return
        if not _agree(alone[0], again):
            raise self._refusal(5, "gives other numbers the second time; a loss that draws says alone = True")
        if not torch.equal(generator, torch.get_rng_state()):
            raise self._refusal(8, "changes torch's random generator, which other trials use; or say alone = True")
        self._check_pack(logits, targets, alone)

    @property
    def _alone(self) -> bool:
        return travels_alone(self.loss.name)

    def _check_pack(self, logits: Tensor, targets: Tensor, alone: list[tuple[Tensor, Tensor]]) -> None:
        """A trial has the numbers that it has alone, whatever stands beside it, a NaN included."""
        together = self._value_and_slope(6, self.loss.settings, logits, targets, finite=False)
        broken = logits.clone()
        broken[-1] = torch.nan
        beside_nan = self._value_and_slope(6, self.loss.settings, broken, targets, finite=False)
        for k, own in enumerate(alone):
            packs = [together] if k == len(alone) - 1 else [together, beside_nan]
            if not all(_agree(own, (values[k : k + 1], slopes[k : k + 1])) for values, slopes in packs):
                raise self._refusal(
                    6,
                    "gives a trial other numbers in a pack than alone; take sums and maxima over the last two axes "
                    "only, or say alone = True",
                )

    def _value_and_slope(
        self, rule: int, settings: Sequence[dict[str, Any]], logits: Tensor, targets: Tensor, *, finite: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Entries [K, B, C] and their slopes by the logits. Raises TrainableError."""
        x, y = logits.clone().requires_grad_(), targets.clone()
        passed, process = x * 1, _process_state()
        try:
            loss = make_loss(self.loss.name, settings, {"counts": COUNTS, "total": sum(COUNTS)}, torch.float32, "cpu")
            entries = loss(passed, y)
        except TrainableError:
            raise
        except (Exception, SystemExit) as error:  # a user's code may raise anything
            words = " ".join(f"{type(error).__name__}: {error}".split())[:160]
            raise self._refusal(rule, f"raises {words}") from error
        self._check_entries(entries, logits)
        for name, tensor, before in (("logits", passed, logits), ("targets", y, targets)):
            if not torch.allclose(tensor, before, rtol=0, atol=0, equal_nan=True):
                raise self._refusal(7, f"writes to its {name}")
        if changed := [name for name, value in _process_state().items() if value != process[name]]:
            raise self._refusal(8, f"changes {changed[0]}, which other trials use")
        slopes = self._slopes(entries, x)
        if finite and not bool(entries.isfinite().all() and slopes.isfinite().all()):
            raise self._refusal(3, f"is not finite with {settings[0]}: {_first_bad(entries, slopes, logits)}")
        return entries.detach(), slopes

    def _check_entries(self, entries: object, logits: Tensor) -> None:
        if not isinstance(entries, Tensor):
            raise self._refusal(1, f"must give a tensor of the shape of its logits, got {type(entries).__name__}")
        if entries.shape != logits.shape:
            raise self._refusal(
                1, f"must give one value an entry, {list(logits.shape)}, got {list(entries.shape)}; take no mean"
            )
        if not entries.is_floating_point():
            raise self._refusal(2, f"must give floating-point numbers, got {entries.dtype}")

    def _slopes(self, entries: Tensor, x: Tensor) -> Tensor:
        slopes = torch.autograd.grad(entries.sum(), x, allow_unused=True)[0] if entries.requires_grad else None
        if slopes is None or not bool((slopes != 0).any()):
            raise self._refusal(4, "has no gradient by its logits: nothing could be trained")
        return slopes

    def _refusal(self, rule: int, problem: str) -> TrainableError:
        return TrainableError(f"losses: {self.loss.label} ({self.loss.name}) {problem} (rule {rule} of {LOSS_PAGE})")


def _process_state() -> dict[str, object]:
    """By name: what all losses of a process share, and none may change."""
    return {
        "torch's default dtype": torch.get_default_dtype(),
        "torch's gradient mode": torch.is_grad_enabled(),
        "torch's number of threads": torch.get_num_threads(),
    }


def _small_batch(num_trials: int, one_label: bool) -> tuple[Tensor, Tensor]:
    """Logits [K, B, C] in about -4 to 4 and 0/1 targets [B, C], a row without labels and one with two among them."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(num_trials, NUM_ROWS, len(COUNTS), generator=generator)
    targets = torch.eye(len(COUNTS)).repeat(NUM_ROWS // len(COUNTS), 1)
    if not one_label:
        targets[0] = 0
        targets[1, 0] = 1
    return logits, targets


def _agree(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> bool:
    return all(
        torch.allclose(a.double(), b.double(), rtol=TOLERANCE, atol=TOLERANCE * _size(a), equal_nan=True)
        for a, b in zip(first, second, strict=True)
    )


def _size(values: Tensor) -> float:
    """The largest finite magnitude, at least 1."""
    return max(1.0, float(values.nan_to_num(0.0, 0.0, 0.0).abs().max()))


def _first_bad(entries: Tensor, slopes: Tensor, logits: Tensor) -> str:
    for kind, values in (("loss", entries), ("gradient", slopes)):
        if len(bad := (~values.isfinite()).nonzero()):
            position = tuple(bad[0].tolist())
            return f"{kind} {float(values[position].detach())} at logit {float(logits[position]):.3g}"
    return "finite"


def check_measures(references: Sequence[str], num_classes: int | None) -> None:
    """Try a user's own measures on a small batch with so many classes (None: not known, then it may raise).

    Raises TrainableError for the first that breaks a rule.
    """
    for measure in map(OwnMeasure, references):
        scores_NC, targets_NC = _small_scores(num_classes or len(COUNTS))
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
        if _json(name, method, call) != _json(name, method, call):
            raise TrainableError(
                f"{name}: {method}() gives something else the second time; it must depend on the contents alone "
                f"(docs/adding_a_data_set.md)"
            )


def check_trainable(trainable: Trainable, data: DataSet) -> None:
    """Raises TrainableError for a user's own trainable whose identity or summary is not what is asked."""
    name = f"trainable: {trainable.name}"
    if _json(name, "identity", lambda: trainable.identity(data)) != _json(
        name, "identity", lambda: trainable.identity(data)
    ):
        raise TrainableError(f"{name}: identity() gives something else the second time (rule 1 of {TRAINABLE_PAGE})")
    summary = trainable.summary()
    if not isinstance(summary, dict) or not all(isinstance(text, str) for pair in summary.items() for text in pair):
        raise TrainableError(f"{name}: summary() must give texts by name, got {summary!r} (rule 2 of {TRAINABLE_PAGE})")


def _json(name: str, method: str, call: Callable[[], object]) -> str:
    try:
        return json.dumps(call(), sort_keys=True)
    except TypeError as error:
        raise TrainableError(f"{name}: {method}() must give numbers, texts, lists and None only ({error})") from error
