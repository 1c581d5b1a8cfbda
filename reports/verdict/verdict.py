"""The verdict on one loss in one hyperparameter: rules, computed, never written by hand.

Per metric a margin is fixed in the study file. With D0(k) the mean over seeds of the score at level k minus the same
seed's score at the default:

* not judged: the default diverged or has too few seeds, or it is not surely better than a constant predictor: the
  interval of its score (seeds, train rows, test images) reaches the floor plus the margin;
* sensitive: the 95 % interval of the worst drop lies below -margin, or divergence alone costs more than that;
* steady: the 90 % interval lies above -margin (non-inferiority: a one-sided test at 5 %), every planned level has
  enough finite seeds, and nothing diverged;
* real drop, size open: surely a drop (the 95 % interval lies below 0, or something diverged), but not surely one
  above the margin;
* too few seeds: fewer than five at every level, so that nothing has an interval;
* too noisy: none of these; the number of seeds that would settle it is given.

Source of the one-sided test: Schuirmann 1987. Letters: L levels, S seeds, N numbers of seeds.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from evenkeel.reports.statistics.intervals import (
    CONFIDENCE,
    MIN_SEEDS,
    POWER,
    Interval,
    nan_mean,
    standard_error_factor,
    t_interval,
    turned,
    wilson,
    worst_drop,
)
from evenkeel.reports.table.designs import Sweep
from evenkeel.reports.text.wording import SIGNED, counted, level, number, with_interval

STEADY, SENSITIVE, SIZE_OPEN, TOO_NOISY, FEW_SEEDS, NOT_JUDGED = VERDICTS = (
    "steady",
    "sensitive",
    "real drop, size open",
    "too noisy",
    "too few seeds",
    "not judged",
)
STEADY_CONFIDENCE = 0.90
SEED_COUNTS = np.arange(MIN_SEEDS, 501)
"""Numbers of seeds [N] that are considered: more than 500 are called too many."""


class BetterLevel(NamedTuple):
    """A level that surely beats the default, by more than the margin on average."""

    level: Any
    gain: Interval


class Judgement(NamedTuple):
    """A verdict with all that it rests on."""

    status: str
    drop: Interval
    """The worst drop at 95 %."""
    low90: float
    """The low end of its 90 % interval, on which "steady" rests."""
    reasons: tuple[str, ...]
    """What else keeps the loss from being steady or judged."""
    seeds_needed: int | None
    """How many seeds would settle what is too noisy or has too few, at the mean and noise observed; None: no number."""
    limited_by: str
    """Then what there would have to be more of; empty when the drop lies too close to the margin."""
    better_levels: tuple[BetterLevel, ...]


def judge(sweep: Sweep, margin: float, floor: float = np.nan) -> Judgement:
    """The verdict on one sweep, by the rules above.

    `margin` and `floor` are in the unit of the metric; `floor` is the score of a constant predictor, NaN if unknown.
    """
    floor = sweep.sign * floor  # as the scores of a sweep, higher is better
    moved, errors = sweep.differences_LS[sweep.moved], sweep.image_errors_L[sweep.moved]
    drop = worst_drop(moved, image_errors_L=errors, shared=sweep.shared)
    low90 = worst_drop(moved, STEADY_CONFIDENCE, errors, shared=sweep.shared).low
    costs, needed, limit = _divergence_costs(sweep, floor), None, ""
    reasons = _incomplete(sweep, {k for k, cost in costs.items() if cost.high < -margin})
    status = _status(drop, low90, margin, bool(reasons), list(costs.values()))
    if blocked := _not_judged(sweep, margin, floor):
        status, reasons = NOT_JUDGED, [blocked, *reasons]
    elif status in (TOO_NOISY, FEW_SEEDS):
        needed = seeds_needed(moved, margin, errors, shared=sweep.shared)
        limit = "" if needed else _limited_by(moved, margin, errors, sweep.shared)
    return Judgement(status, drop, low90, tuple(reasons), needed, limit, _better_levels(sweep, margin))


def seeds_needed(
    differences_LS: np.ndarray, margin: float, image_errors_L: np.ndarray, *, shared: float = 0.0
) -> int | None:
    """The smallest number of seeds that would give "steady" or "sensitive" in four of five studies like this one.

    It takes the means and standard deviations of the differences [L, S] for the truth; `image_errors_L` [L] are the
    standard errors of test images. None when too many would be needed: a mean lies near the margin, or the test images
    or the train rows are too few.
    """
    usable = np.isfinite(differences_LS).sum(-1) > 1
    if not usable.any():
        return MIN_SEEDS
    finite = [row[np.isfinite(row)] for row in differences_LS[usable]]
    means, spreads = (np.array([statistic(row) for row in finite]) for statistic in (np.mean, _standard_deviation))
    errors, corrected = image_errors_L[usable], 1 - (1 - CONFIDENCE) / len(means)
    steady, sensitive = (
        _detectable_distance(spreads, errors, 0.5 + confidence / 2, shared)
        for confidence in (STEADY_CONFIDENCE, corrected)
    )
    settled = (means + margin > steady).all(-1) | (-margin - means > sensitive).any(-1)
    return int(SEED_COUNTS[settled.argmax()]) if settled.any() else None


def _limited_by(moved_LS: np.ndarray, margin: float, image_errors_L: np.ndarray, shared: float) -> str:
    """What keeps any number of seeds from settling a verdict: that without which some number would."""
    none = np.zeros_like(image_errors_L)
    without = {
        "test images": (none, shared),
        "train rows": (image_errors_L, 0.0),
        "test images and train rows": (none, 0.0),
    }
    settled = (
        words for words, (errors, left) in without.items() if seeds_needed(moved_LS, margin, errors, shared=left)
    )
    return next(settled, "")


def _detectable_distance(spreads: np.ndarray, errors: np.ndarray, probability: float, shared: float) -> np.ndarray:
    """How far means [L] must lie from the margin to be told from it with each of SEED_COUNTS [N] of seeds: [N, L]."""
    widths = (_quantiles(probability) + _quantiles(POWER)) * standard_error_factor(SEED_COUNTS, shared)
    return np.hypot(widths[:, None] * spreads, stats.norm.ppf(probability) * errors)


@cache
def _quantiles(probability: float) -> np.ndarray:
    return stats.t.ppf(probability, SEED_COUNTS - 1)


def _standard_deviation(values: np.ndarray) -> float:
    return float(values.std(ddof=1))


def _status(drop: Interval, low90: float, margin: float, incomplete: bool, costs: list[Interval]) -> str:
    if drop.high < -margin or any(cost.high < -margin for cost in costs):
        return SENSITIVE
    if drop.n < MIN_SEEDS and not costs:
        return FEW_SEEDS
    if low90 > -margin and not incomplete:
        return STEADY
    return SIZE_OPEN if drop.high < 0 or costs else TOO_NOISY


def _not_judged(sweep: Sweep, margin: float, floor: float) -> str | None:
    num, diverged = len(sweep.seeds), int(sweep.diverged_LS[sweep.default].sum())
    default = sweep.level_scores[sweep.default]
    if diverged:
        return f"the default diverged in {diverged} of {counted(num, 'seed')}"
    if default.n < min(MIN_SEEDS, num):
        return f"the default has {default.n} of {counted(num, 'seed')}"
    if (default.low if default.n >= MIN_SEEDS else default.value) <= floor + margin:
        measured, constant = turned(default, sweep.sign), number(sweep.sign * floor)
        return f"its default {with_interval(measured)} is not surely better than a constant predictor, {constant}"
    return None


def _incomplete(sweep: Sweep, costly: set[int]) -> list[str]:
    """Levels that cannot be called steady, with the reason; at the `costly` ones divergence alone costs too much."""
    reasons = []
    for k, value in enumerate(sweep.levels):
        finite, diverged = int(np.isfinite(sweep.differences_LS[k]).sum()), int(sweep.diverged_LS[k].sum())
        place, seeds = f"{sweep.name} {level(value)}", counted(len(sweep.seeds), "seed")
        if k == sweep.default:
            continue
        if diverged:
            alone = ", which alone costs more than the margin" if k in costly else ""
            reasons.append(f"{place} diverged in {diverged} of {seeds}{alone}")
        elif finite < min(MIN_SEEDS, len(sweep.seeds)):
            mean = f", mean {number(t_interval(sweep.differences_LS[k]).value, SIGNED)}" if finite else ""
            reasons.append(f"{place} has {finite} of {seeds}{mean}")
    return reasons


def _divergence_costs(sweep: Sweep, floor: float) -> dict[int, Interval]:
    """By number of a level with a diverged seed: minus the rate (Wilson) times the fall from default to floor."""
    default = float(nan_mean(sweep.scores_LS[sweep.default]))
    costs = {}
    for k in sweep.moved.tolist():
        if not (diverged := sweep.diverged_LS[k]).any():
            continue
        rate = wilson(int(diverged.sum()), int((diverged | np.isfinite(sweep.scores_LS[k])).sum()))
        reached = float(nan_mean(sweep.floored_LS[k, diverged]))
        fall = default - (reached if np.isfinite(reached) else floor)
        costs[k] = Interval(-rate.value * fall, -rate.high * fall, -rate.low * fall, rate.n)
    return costs


def _better_levels(sweep: Sweep, margin: float) -> tuple[BetterLevel, ...]:
    """Levels whose interval, corrected for their number, lies above 0 and whose mean lies above the margin."""
    confidence = 1 - (1 - CONFIDENCE) / max(1, len(sweep.moved))
    rows = ((k, sweep.differences_LS[k], sweep.image_errors_L[k]) for k in sweep.moved)
    gains = {k: t_interval(row, confidence, error, shared=sweep.shared) for k, row, error in rows}
    better = [BetterLevel(sweep.levels[k], gain) for k, gain in gains.items() if gain.low > 0 and gain.value > margin]
    return tuple(sorted(better, key=lambda b: -b.gain.value))
