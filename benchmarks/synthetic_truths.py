"""Studies whose truth is known, as trial tables: what benchmarks/decisions.py holds the page's sentences against.

All sizes are in margins. A trial scores DEFAULT, plus what its setting truly changes, plus noise of its own; where
train rows vary, plus what the one training set does to its setting, with `shared` of the noise's variance and the same
for all seeds (as theory says of a bagged score), normal also where the noise has heavy tails; where test images are
recorded, plus what the one test set does to it.
Letters: L losses, K settings of a sweep (the default first), S seeds, G groups of test images, H random settings.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from evenkeel.reports.facts import DataFacts, LossFacts, MeasureFacts, ParameterFacts, StudyFacts
from evenkeel.reports.table import memo
from evenkeel.reports.table.trial_table import TrialRow, trial_table

METRIC, MARGIN, DEFAULT = "score", 0.01, 0.5
HYPERPARAMETERS = "abcdefgh"
Place = tuple[int, int, int]
"""Numbers of a loss, one of its hyperparameters, and a level of that, from 1 (0 is the default)."""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """A kind of study, in margins; `changes` are true changes of the score by place, 0 where nothing is said."""

    losses: int = 5
    hyperparameters: int = 2
    levels: int = 5
    seeds: int = 10
    changes: Mapping[Place, float] = field(default_factory=dict)
    spread: float = 0.42
    """Standard deviation over seeds of one trial: differences of two then have 0.6."""
    noise: Literal["normal", "heavy", "unequal"] = "normal"
    shared: float = 0.0
    image_error: float = 0.0
    """Standard error that the choice of test images adds to one score."""
    image_groups: int = 50
    classes: int = 0
    class_noise: float = 3.0
    """Standard deviation over seeds of the score of one class about the score, which itself is no mean of theirs."""
    default_noise: float = 0.0
    """Standard deviation over seeds that all settings of a loss share: it drops out of paired differences."""
    above_floor: float = 30.0
    lost_below: float | None = None
    """Seeds that fall below the default by more than this fail (a user's own check that raises, say)."""
    lost_at_random: float = 0.0
    diverging: float = 0.0
    """Shares of the trials away from the default."""
    interactions: Mapping[tuple[int, int], float] | None = None
    """By levels of the first two hyperparameters what both do beyond their sum, for all losses; None: no pairs."""
    random_settings: int = 0
    setting_spread: float = 1.0
    whole_loss: float = 0.0
    """Standard deviation over seeds of what a bootstrap of the train rows does to all settings of a loss."""
    searched: bool = False
    scatter: float = 0.0
    """Standard deviation of a validation score about its line over the last epochs."""
    carried: float = 0.9
    """What an epoch keeps of the scatter of the one before."""
    rise: float = 0.0

    @property
    def change_LK(self) -> np.ndarray:
        """True changes of all settings, in margins."""
        change = np.zeros((self.losses, 1 + self.hyperparameters * (self.levels - 1)))
        for (loss, hyperparameter, level), value in self.changes.items():
            change[loss, 1 + hyperparameter * (self.levels - 1) + level - 1] = value
        return change

    @property
    def spread_K(self) -> np.ndarray:
        """Standard deviation over seeds of each setting of a loss."""
        num = self.change_LK.shape[1]
        return self.spread * (np.geomspace(0.25, 2.5, num) if self.noise == "unequal" else np.ones(num))


class World:
    """One training set and one test set, from which a study may take any number of seeds."""

    def __init__(self, truth: Truth, rng: np.random.Generator) -> None:
        self.truth, self.rng = truth, rng
        shape = truth.change_LK.shape
        self.train_rows_LK = np.sqrt(truth.shared) * truth.spread_K * rng.normal(size=shape)
        self.images_LKG = (
            truth.image_error * np.sqrt(truth.image_groups) * rng.normal(size=(*shape, truth.image_groups))
        )
        self.whole_loss_L = np.sqrt(truth.shared) * truth.whole_loss * rng.normal(size=truth.losses)
        self.settings_LH = truth.setting_spread * rng.normal(size=(truth.losses, truth.random_settings))
        self.noise_LKS = np.zeros((*shape, 0))

    def seeds(self, num: int) -> np.ndarray:
        """Scores of the sweep [L, K, num] in margins from the default; more seeds come behind those drawn before."""
        truth = self.truth
        more = (*truth.change_LK.shape, num - self.noise_LKS.shape[-1])
        noise = self._noise(*more) * truth.spread_K[:, None] + truth.default_noise * self.rng.normal(
            size=(truth.losses, 1, more[2])
        )
        self.noise_LKS = np.concatenate([self.noise_LKS, noise], axis=-1)
        means = truth.change_LK + self.train_rows_LK + self.images_LKG.mean(-1)
        return means[..., None] + self.noise_LKS

    def _noise(self, *shape: int) -> np.ndarray:
        """Of standard deviation 1."""
        heavy = self.truth.noise == "heavy"
        return self.rng.standard_t(3, shape) / np.sqrt(3) if heavy else self.rng.normal(size=shape)

    def table(self, num_seeds: int | None = None, *, name: str = "synthetic", looks: int = 1) -> pd.DataFrame:
        """The trial table of a study of this world; `looks` is how often it was looked at, where facts hold that."""
        num = num_seeds or self.truth.seeds
        facts = facts_of_truth(self.truth, num, name)
        if looks > 1:
            facts = replace(facts, **former_seeds(looks, num))
        rows = [row for rows in (self._sweep, self._pairs, self._random, self._confirmed) for row in rows(num)]
        table = trial_table([replace(row, trial_id=f"{i:06d}") for i, row in enumerate(rows)], facts)
        cached = getattr(memo, "with_cache", None) or memo.remembering  # of the version that is measured
        return cached(table, facts)

    def _sweep(self, num: int) -> Iterator[TrialRow]:
        truth, scores_LKS = self.truth, self.seeds(num)
        groups_LKG = (self.images_LKG.mean(-1, keepdims=True) - self.images_LKG) / (truth.image_groups - 1)
        for (loss, k, seed), score in np.ndenumerate(scores_LKS):
            state = self._state(k, score - scores_LKS[loss, 0, seed])
            metrics = {f"{split}_{METRIC}": DEFAULT + MARGIN * float(score) for split in ("val", "test")}
            if truth.scatter and k == 0:
                metrics |= self._rise()
            if state == "failed":
                metrics = {}
            if state == "diverged":
                metrics = dict.fromkeys(metrics, floor(truth))
            images = {f"test_{METRIC}": DEFAULT + MARGIN * (score + groups_LKG[loss, k])} if truth.image_error else {}
            setting = setting_of(truth, k)
            trial = row(loss, "sweep", seed, setting, metrics, state, images, moved=next(iter(setting), None))
            yield replace(trial, classes=self._classes(score)) if truth.classes else trial

    def _classes(self, score: float) -> dict[str, list[float]]:
        """Every class moves as the score does, with noise of its own."""
        noise_C = self.truth.class_noise * self.rng.normal(size=self.truth.classes)
        return {f"test_{METRIC}": (DEFAULT + MARGIN * (score + noise_C)).tolist()}

    def _state(self, k: int, change: float) -> str:
        truth = self.truth
        if k and self.rng.random() < truth.diverging:
            return "diverged"
        lost = truth.lost_below is not None and change < -truth.lost_below
        return "failed" if k and (lost or self.rng.random() < truth.lost_at_random) else "done"

    def _rise(self) -> dict[str, float]:
        """Slope, times the epochs, of a line through eight epochs, and its standard error by their scatter."""
        truth, x = self.truth, np.linspace(-0.5, 0.5, 8)
        y = [self.rng.normal()]
        for noise in self.rng.normal(size=7):
            y.append(truth.carried * y[-1] + np.sqrt(1 - truth.carried**2) * noise)
        y_E = truth.scatter * np.array(y) + truth.rise * x
        slope = (x @ y_E) / (x @ x)
        error = np.sqrt(((y_E - y_E.mean() - slope * x) ** 2).sum() / 6 / (x @ x))
        return {"val_rise": MARGIN * slope, "val_rise_error": MARGIN * error}

    def _pairs(self, num: int) -> Iterator[TrialRow]:
        """The first two hyperparameters together, with train rows, test images and noise of their own."""
        truth = self.truth
        for loss, *levels in np.ndindex(truth.losses, truth.levels, truth.levels):
            if truth.interactions is None or not all(levels):
                continue
            alone = sum(truth.changes.get((loss, name, k), 0.0) for name, k in enumerate(levels))
            mean = alone + truth.interactions.get((levels[0], levels[1]), 0.0)
            mean += np.sqrt(truth.shared) * truth.spread * self.rng.normal()
            images_G = truth.image_error * np.sqrt(truth.image_groups) * self.rng.normal(size=truth.image_groups)
            groups_G = (images_G.mean() - images_G) / (truth.image_groups - 1)
            setting = dict(zip(HYPERPARAMETERS, map(float, levels), strict=False))
            for seed, noise in enumerate(self._noise(num)):
                score = mean + images_G.mean() + truth.spread * noise
                metrics = {f"{split}_{METRIC}": DEFAULT + MARGIN * float(score) for split in ("val", "test")}
                images = {f"test_{METRIC}": DEFAULT + MARGIN * (score + groups_G)} if truth.image_error else {}
                yield row(loss, "pair", seed, setting, metrics, images=images, moved="a, b")

    def _random(self, num: int) -> Iterator[TrialRow]:
        truth = self.truth
        whole_LS = self.whole_loss_L[:, None] + truth.whole_loss * self.rng.normal(size=(truth.losses, num))
        for (loss, h), setting in np.ndenumerate(self.settings_LH):
            for seed in range(num):
                score = setting + whole_LS[loss, seed] + truth.spread * self.rng.normal()
                metrics = {f"{split}_{METRIC}": DEFAULT + MARGIN * float(score) for split in ("val", "test")}
                yield row(
                    loss, "sobol", seed, dict.fromkeys(HYPERPARAMETERS[: truth.hyperparameters], float(h)), metrics
                )

    def _confirmed(self, num: int) -> Iterator[TrialRow]:
        """A search of one proposal a loss, its winner and the default on as many fresh seeds as the study has."""
        truth = self.truth
        for loss in range(truth.losses if truth.searched else 0):
            score = {f"{split}_{METRIC}": DEFAULT for split in ("val", "test")}
            yield replace(row(loss, "search", 0, {"a": 2.0}, score), group=0, proposal=0)
            for group, seed in ((group, seed) for group in (0, None) for seed in range(100, 100 + num)):
                own = MARGIN * (float(self.whole_loss_L[loss]) + truth.spread * self.rng.normal())
                metrics = {f"{split}_{METRIC}": DEFAULT + own for split in ("val", "test")}
                yield replace(row(loss, "confirm", seed, {"a": 2.0} if group == 0 else {}, metrics), group=group)


def floor(truth: Truth) -> float:
    """The score of a constant predictor."""
    return DEFAULT - MARGIN * truth.above_floor


def setting_of(truth: Truth, k: int) -> dict[str, Any]:
    """What the k-th setting of a sweep moves, and where to; nothing at the default."""
    if k == 0:
        return {}
    hyperparameter, level = divmod(k - 1, truth.levels - 1)
    return {HYPERPARAMETERS[hyperparameter]: float(level + 1)}


def row(
    loss: int, design: str, seed: int, setting: dict[str, Any], metrics: dict[str, float], state: str = "done",
    images: Mapping[str, Any] | None = None, moved: str | None = None,
) -> TrialRow:  # fmt: skip
    """One trial of the loss with this number; its id is given later."""
    return TrialRow(
        trial_id="", loss=f"l{loss}", loss_name=f"l{loss}", design=design, seed=seed, moved=moved, state=state,
        note="" if state == "done" else f"it {state}", hyperparameters=setting, metrics=dict(metrics),
        images=images or {},
    )  # fmt: skip


def facts_of_truth(truth: Truth, num_seeds: int, name: str = "synthetic") -> StudyFacts:
    """What a page is told of such a study."""
    names, classes = HYPERPARAMETERS[: truth.hyperparameters], tuple(f"c{i}" for i in range(truth.classes))
    space = {
        n: ParameterFacts("float", 0.0, n, "none", 0.0, float(max(truth.levels, truth.random_settings, 3)))
        for n in names
    }
    levels = {n: tuple(map(float, range(truth.levels))) for n in names}
    loss = LossFacts("bce", {}, dict.fromkeys(names, 0.0), space, levels)
    rise = {"rise": MeasureFacts("rise", splits=("val",), parts=("error",))} if truth.scatter else {}
    return StudyFacts(
        name=name, description="", metric=METRIC, margins={METRIC: MARGIN}, reduction="mean",
        seeds=tuple(range(num_seeds)), fresh_seeds=tuple(range(100, 100 + num_seeds)) if truth.searched else (),
        data=DataFacts("none", classes, floor={METRIC: floor(truth)}), trainable={},
        planned={f"l{i}": {"sweep": 1} for i in range(truth.losses)},
        losses={f"l{i}": loss for i in range(truth.losses)},
        measures={METRIC: MeasureFacts("score", headline=True, shared=truth.shared), **rise},
        varied=("init", "train_rows") if truth.shared else ("init",),
    )  # fmt: skip


def former_seeds(looks: int, num_seeds: int) -> dict[str, Any]:
    """The field of the facts that tells of earlier looks; none in versions that did not know of them."""
    has_field = "former_seeds" in StudyFacts.__dataclass_fields__
    return {"former_seeds": tuple(range(num_seeds - looks + 1, num_seeds))} if has_field else {}
