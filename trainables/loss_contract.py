"""What is asked of a user's own loss, tried on a small batch before any cluster time.

A refusal is one line: which class, which rule of docs/adding_a_loss.md, what was seen.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from evenkeel.trainables.errors import TrainableError, in_one_line
from evenkeel.trainables.packing import make_loss, travels_alone

LOSS_PAGE = "docs/adding_a_loss.md"
COUNTS = (6, 4, 2, 1)
"""Training positives of the classes of the small batch, over and over."""
NUM_ROWS = 8
PROGRESS = (0.5, 0.99)
"""Shares of a training at which a loss that changes is tried, beside its start."""
TOLERANCE = 1e-5
"""Of numbers and slopes, relative to the largest: a pack may round in another order."""
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
UNFIT = re.compile(r"size|shape|dimension|broadcast|index")
"""What torch says of operands that do not fit each other."""


@dataclass(frozen=True)
class OwnLoss:
    """A loss as a study plans it: its label, its `module:Class`, settings of its hyperparameters, defaults first."""

    label: str
    name: str
    settings: Sequence[dict[str, Any]]
    one_label: bool = False


class _UnfitShape(TrainableError):
    """Operands do not fit each other: with another number of classes they might."""


def check_losses(losses: Sequence[OwnLoss], num_classes: int | None = len(COUNTS)) -> None:
    """Raises TrainableError for the first loss that breaks a rule on a batch with so many classes.

    None: how many there are is not known, then one whose operands do not fit the batch is left for later.
    """
    for loss in losses:
        try:
            _LossCheck(loss, num_classes or len(COUNTS)).run()
        except _UnfitShape:
            if num_classes is not None:
                raise


@dataclass(frozen=True)
class _Seen:
    """Of one call: entries [K, B, C], their slopes by the logits, and the log-odds that are scored."""

    entries: Tensor
    slopes: Tensor
    log_odds: Tensor

    def agrees(self, other: "_Seen") -> bool:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return all(
            torch.allclose(a.double(), b.double(), rtol=TOLERANCE, atol=TOLERANCE * _size(a), equal_nan=True)
            for a, b in pairs
        )

    def trial(self, k: int) -> "_Seen":
        return _Seen(*(values[k : k + 1] for values in vars(self).values()))


@dataclass(frozen=True)
class _LossCheck:
    """One loss on a small batch of float32 logits [B, C] (alone) and [K, B, C] (a pack of K settings)."""

    loss: OwnLoss
    num_classes: int

    def run(self) -> None:
        logits, targets = _small_batch(len(self.loss.settings), self.num_classes, self.loss.one_label)
        generator = torch.get_rng_state()
        alone = [
            self._try(1, [setting], logits[k : k + 1], targets, finite=k == 0)
            for k, setting in enumerate(self.loss.settings)
        ]
        again = self._try(1, self.loss.settings[:1], logits[:1], targets)
        for progress in PROGRESS:
            self._try(9, self.loss.settings[:1], logits[:1], targets, progress=progress)
        if self._alone:
            return
        if not alone[0].agrees(again):
            raise self._refusal(5, "gives other numbers the second time; a loss that draws says alone = True")
        if not torch.equal(generator, torch.get_rng_state()):
            raise self._refusal(8, "changes torch's random generator, which other trials use; or say alone = True")
        self._check_pack(logits, targets, alone)

    @property
    def _alone(self) -> bool:
        return travels_alone(self.loss.name)

    def _check_pack(self, logits: Tensor, targets: Tensor, alone: list[_Seen]) -> None:
        """A trial has the numbers that it has alone, whatever stands beside it, a NaN included."""
        together = self._try(6, self.loss.settings, logits, targets, finite=False)
        broken = logits.clone()
        broken[-1] = torch.nan
        beside_nan = self._try(6, self.loss.settings, broken, targets, finite=False)
        for k, own in enumerate(alone):
            packs = [together] if k == len(alone) - 1 else [together, beside_nan]
            if not all(own.agrees(pack.trial(k)) for pack in packs):
                raise self._refusal(
                    6,
                    "gives a trial other numbers in a pack than alone; take sums and maxima over the last two axes "
                    "only, or say alone = True",
                )

    def _try(
        self,
        rule: int,
        settings: Sequence[dict[str, Any]],
        logits: Tensor,
        targets: Tensor,
        *,
        finite: bool = True,
        progress: float = 0.0,
    ) -> _Seen:
        """What the loss gives at this `progress` of a training. Raises TrainableError."""
        x, y = logits.clone().requires_grad_(), targets.clone()
        passed, process = x * 1, _process_state()
        with self._refusing(rule):
            loss = make_loss(self.loss.name, settings, self._facts(), torch.float32, "cpu")
            at_progress = loss.at(progress)
            entries, log_odds = at_progress(passed, y), at_progress.log_odds(logits.clone())
        self._check_form("must give", entries, logits, (1, 2) if rule != 9 else (9, 9))
        self._check_form("has log_odds that must give", log_odds, logits, (9, 9))
        self._check_untouched(x, ("logits", passed, logits), ("targets", y, targets))
        if changed := [name for name, value in _process_state().items() if value != process[name]]:
            raise self._refusal(8, f"changes {changed[0]}, which other trials use")
        with self._refusing(rule):
            slopes = self._slopes(entries, x)
        if finite:
            self._check_finite(_Seen(entries, slopes, log_odds), logits, settings[0])
        return _Seen(entries.detach(), slopes, log_odds.detach())

    def _facts(self) -> dict[str, Any]:
        counts = tuple(COUNTS[c % len(COUNTS)] for c in range(self.num_classes))
        return {"counts": counts, "total": sum(counts)}

    @contextmanager
    def _refusing(self, rule: int) -> Iterator[None]:
        """A user's code may raise anything."""
        try:
            yield
        except TrainableError:
            raise
        except (Exception, SystemExit) as error:
            words = in_one_line(error)
            if isinstance(error, RuntimeError | IndexError) and UNFIT.search(words):
                tried = f"raises {words}, tried with {self.num_classes} classes"
                raise self._refusal(rule, tried, _UnfitShape) from error
            raise self._refusal(rule, f"raises {words}") from error

    def _check_form(self, must: str, values: object, logits: Tensor, rules: tuple[int, int]) -> None:
        """A dense tensor of floating-point numbers, one for each of the logits [K, B, C]; `rules` are named if not."""
        if not isinstance(values, Tensor) or values.is_nested or values.layout != torch.strided:
            kind = type(values).__name__ if not isinstance(values, Tensor) else "a nested or sparse one"
            raise self._refusal(rules[0], f"{must} a tensor of the shape of its logits, got {kind}")
        if values.shape != logits.shape:
            raise self._refusal(
                rules[0], f"{must} one value an entry, {list(logits.shape)}, got {list(values.shape)}; take no mean"
            )
        if values.dtype not in FLOATS or values.device != logits.device:
            place = "" if values.device == logits.device else f" on {values.device}"
            raise self._refusal(rules[1], f"{must} floating-point numbers, got {values.dtype}{place}")

    def _check_untouched(self, x: Tensor, *arguments: tuple[str, Tensor, Tensor]) -> None:
        for name, tensor, before in arguments:
            if not torch.allclose(tensor, before, rtol=0, atol=0, equal_nan=True):
                raise self._refusal(7, f"writes to its {name}")
        if x.grad is not None:
            raise self._refusal(7, "calls backward() itself, which writes to gradients; the trainable does that")

    def _slopes(self, entries: Tensor, x: Tensor) -> Tensor:
        slopes = torch.autograd.grad(entries.sum(), x, allow_unused=True)[0] if entries.requires_grad else None
        if slopes is None or not bool((slopes != 0).any()):
            raise self._refusal(4, "has no gradient by its logits: nothing could be trained")
        return slopes

    def _check_finite(self, answer: _Seen, logits: Tensor, setting: dict[str, Any]) -> None:
        certain = answer.log_odds.nan_to_num(torch.nan, 0.0, 0.0)  # a probability of exactly 0 or 1 is one
        for kind, values in (("loss", answer.entries), ("gradient", answer.slopes), ("log-odds", certain)):
            if len(bad := (~values.isfinite()).nonzero()):
                position = tuple(bad[0].tolist())
                value, logit = float(values[position].detach()), float(logits[position])
                raise self._refusal(3, f"is not finite with {setting}: {kind} {value} at logit {logit:.3g}")

    def _refusal(self, rule: int, problem: str, kind: type[TrainableError] = TrainableError) -> TrainableError:
        return kind(f"losses: {self.loss.label} ({self.loss.name}) {problem} (rule {rule} of {LOSS_PAGE})")


def _process_state() -> dict[str, object]:
    """By name: what all losses of a process share, and none may change."""
    return {
        "torch's default dtype": torch.get_default_dtype(),
        "torch's default device": torch.get_default_device(),
        "torch's gradient mode": torch.is_grad_enabled(),
        "torch's number of threads": torch.get_num_threads(),
        "torch's choice of deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "torch's precision of products": torch.get_float32_matmul_precision(),
        "torch's detection of anomalies": torch.is_anomaly_enabled(),
        "the working folder": os.getcwd(),
    }


def _small_batch(num_trials: int, num_classes: int, one_label: bool) -> tuple[Tensor, Tensor]:
    """Logits [K, B, C] in about -4 to 4 and 0/1 targets [B, C], a row without labels and one with two among them."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(num_trials, NUM_ROWS, num_classes, generator=generator)
    targets = torch.eye(num_classes)[torch.arange(NUM_ROWS) % num_classes]
    if not one_label:
        targets[0] = 0
        targets[1, 0] = 1
    return logits, targets


def _size(values: Tensor) -> float:
    """The largest finite magnitude, at least 1."""
    return max(1.0, float(values.nan_to_num(0.0, 0.0, 0.0).abs().max()))
