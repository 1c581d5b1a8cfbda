"""Call a user's training function for one trial after the other, and make results of what it returns."""

import hashlib
import math
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evenkeel.trainables.data.function_data import FunctionData
from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.data.load import load
from evenkeel.trainables.data.split_facts import DataSplits
from evenkeel.trainables.epochs import TrialStopped, stop_reason
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.function.returned import Returned, returned
from evenkeel.trainables.function.settings import Function
from evenkeel.trainables.function.shared import Shared
from evenkeel.trainables.function.signature import Signature, is_function, signature_of, training_function
from evenkeel.trainables.measures import ALWAYS, RETURNED, columns
from evenkeel.trainables.own_sources import mentions
from evenkeel.trainables.progress import progress
from evenkeel.trainables.result import Result
from evenkeel.trainables.trial import Trial


@dataclass(frozen=True)
class FunctionWorker:
    """Runs trials of a training function; see `evenkeel.trainables.base.Worker`."""

    settings: Function
    measures: tuple[str, ...] = ALWAYS

    def prepare(self, data: DataSet, cache: Path, device: str = "cpu") -> Shared:
        """The images of a data set of ours; nothing for data of the function's own."""
        if isinstance(data, FunctionData):
            return Shared(data, cache, device)
        images = load(data, self.settings.image_size, cache)
        return Shared(data, cache, device, images, DataSplits.of(data.name, images, data.validation, self.settings))

    def bytes_per_trial(self, prepared: Shared) -> int:
        """Nothing: trials of a pack run one after the other."""
        return 0

    def run(self, trials: list[Trial], prepared: Shared, place: Path) -> Iterator[tuple[Trial, Result]]:
        """One trial after the other. Whatever the function raises ends the pack."""
        for trial in trials:
            yield trial, self._result(trial, prepared, place)

    def _result(self, trial: Trial, shared: Shared, place: Path) -> Result:
        started = time.perf_counter()
        reference = trial.loss if is_function(trial.loss) else self.settings.name
        signature = signature_of(reference)
        with ExitStack() as stack:
            reported = Reported(trial, shared.cache, stack)
            arguments = self._arguments(trial, signature, shared, place / trial.id, reported)
            reported.total = arguments.get("epochs")
            seed_generators(trial.seed, with_torch=mentions(reference, "torch"))
            try:
                value = training_function(reference)(**arguments)
            except TrialStopped as stop:
                return reported.stopped(str(stop), time.perf_counter() - started)
        own = [name.removeprefix(RETURNED) for name in self.measures if name.startswith(RETURNED)]
        result = returned(reference, value, columns(self.measures))
        self._check(reference, result, own, trial, shared)
        return self._measured(result, shared, reported, time.perf_counter() - started)

    def _arguments(
        self, trial: Trial, signature: Signature, shared: Shared, folder: Path, reported: "Reported"
    ) -> dict[str, Any]:
        settings = self.settings.with_changes(trial.settings) if trial.settings else self.settings
        values = signature.arguments(settings.parameters | trial.hyperparameters)
        makers = {
            "seed": lambda: trial.seed,
            "loss": lambda: trial.loss if signature.loss_by_name else training_loss(trial, shared),
            "data": lambda: shared.files if shared.images is None else shared.images,
            "rows": lambda: rows(trial, signature.reference, shared),
            "device": lambda: shared.device,
            "checkpoint_dir": lambda: made(folder),
            "report": lambda: reported,
        }
        return values | {name: makers[name]() for name in signature.supplied}

    def _check(self, reference: str, result: Returned, own: list[str], trial: Trial, shared: Shared) -> None:
        """Raises TrainableError for what is not there, and for what was another thing in an earlier trial."""
        former = ", ".join(shared.memory.get("layout", ()))
        for name in own:
            if name not in result.scores["test"]:
                raise TrainableError(f"{reference} returned no {name!r}, which the study declares; return it always")
        shared.same(
            "layout",
            result.layout,
            f"{reference} returned {', '.join(result.layout)} for trial {trial.id}, and {former} before; return the "
            "same scores for every setting and seed",
        )
        if result.predictions:
            digest = hashlib.sha256(result.predictions["test"].targets.tobytes()).hexdigest()
            shared.same(
                "test targets",
                digest,
                f"{reference} returned other test targets for trial {trial.id} (seed {trial.seed}) than before; keep "
                "the test rows and their order the same for all seeds, or return scores in place of predictions",
            )

    def _measured(self, result: Returned, shared: Shared, reported: "Reported", wall_s: float) -> Result:
        scores = {f"{split}_{name}": x for split, own in result.scores.items() for name, x in own.items()}
        metrics: dict[str, float | None] = {name: x if math.isfinite(x) else None for name, x in scores.items()}
        measured: dict[str, Any] = {}
        if result.predictions or reported.validation:
            from evenkeel.trainables.function.measured import measured_part

            measured = measured_part(result, shared, reported.validation, self.measures)
        lost = result.not_finite
        return Result(
            state="diverged" if lost else "done",
            **measured | {"metrics": measured.get("metrics", {}) | metrics},
            curves=reported.curves,
            epochs_done=reported.num_epochs,
            wall_s=wall_s,
            note=f"not finite: {', '.join(lost)}; predictions are scored at the floor" if lost else None,
        )


@dataclass
class Reported:
    """`report(epoch, **scores)` of a training function: curves, and how far it is."""

    trial: Trial
    cache: Path
    stack: ExitStack
    epochs: list[dict[str, float]] = field(default_factory=list)
    tell: Any = None
    total: Any = None
    """How many epochs there will be, where the function takes `epochs`."""
    first: int = 1
    """What the function calls its first epoch."""

    def __call__(self, epoch: int, **scores: float) -> None:
        """Scores at the end of an epoch. Raises TrainableError for a score that is no number."""
        if self.tell is None:
            self.first = epoch if epoch in (0, 1) else 1
            label = f"{self.trial.label}, seed {self.trial.seed}, epoch"
            total = self.total if isinstance(self.total, int) else 0
            self.tell = self.stack.enter_context(progress(self.cache, label, total))
        try:
            self.epochs.append({name: float(value) for name, value in scores.items()})
        except (TypeError, ValueError) as error:
            raise TrainableError(f"report(epoch={epoch}, ...): {error}; report numbers by name") from error
        self.tell(self.num_epochs)
        number = epoch - self.first + 1
        if number != self.total and (reason := stop_reason(self.trial, number, self.epochs[-1])):
            raise TrialStopped(reason)

    def stopped(self, reason: str, wall_s: float) -> Result:
        """The result of a trial that ends here."""
        return Result("censored", curves=self.curves, epochs_done=self.num_epochs, wall_s=wall_s, note=reason)

    @property
    def num_epochs(self) -> int:
        """How many epochs were reported."""
        return len(self.epochs)

    @property
    def curves(self) -> dict[str, list[float | None]]:
        """By name a value an epoch, None where it was not finite or not reported."""
        names = dict.fromkeys(name for epoch in self.epochs for name in epoch)
        return {name: [_finite(epoch.get(name)) for epoch in self.epochs] for name in names}

    @property
    def validation(self) -> dict[str, list[float]]:
        """The complete curves of validation metrics, `val_<metric>`."""
        named = {name: values for name, values in self.curves.items() if name.startswith("val_")}
        return {name: [x for x in values if x is not None] for name, values in named.items() if None not in values}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def seed_generators(seed: int, *, with_torch: bool) -> None:
    """Start the generators that a function may draw from unseeded: Python's, numpy's and torch's."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  the generator that a user's code may draw from
    if with_torch:
        import torch

        torch.manual_seed(seed)


def training_loss(trial: Trial, shared: Shared) -> Any:
    """The loss of a trial, with the class counts of the trial's train rows where the data is ours."""
    from evenkeel.trainables.function.loss import TrainingLoss

    if shared.splits is None:
        return TrainingLoss(trial, {}, shared.device)
    train = shared.splits.rows(trial.seed)["train"]
    counts = shared.splits.targets[train].sum(0).astype(int).tolist()
    return TrainingLoss(trial, {"counts": tuple(counts), "total": len(train)}, shared.device)


def rows(trial: Trial, reference: str, shared: Shared) -> dict[str, np.ndarray]:
    """Row numbers [M] of train, val and test for the trial's seed. Raises TrainableError without a data set of ours."""
    if shared.splits is None:
        raise TrainableError(f"{reference} takes rows, and the study has no data; name a data set under data:")
    return shared.splits.rows(trial.seed)


def made(folder: Path) -> Path:
    """The folder, made if it is not there; what an interrupted trial left in it stays."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder
