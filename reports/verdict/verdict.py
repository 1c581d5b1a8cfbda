"""The verdict on one loss in one hyperparameter: rules, computed, never written by hand.

Per metric a margin is fixed in the study file. With D0(k) the mean over seeds of the score at level k minus the same
seed's score at the default:

* not judged: the default diverged or has too few seeds, or it is not surely better than a constant predictor: the
  interval of its score (seeds, train rows, test images) reaches the floor plus the margin;
* sensitive: the interval of the worst change lies below -margin, or divergence alone costs more than that;
* steady: the interval lies above -margin (non-inferiority, a one-sided test: gains are not limited), every planned
  level has enough finite seeds, nothing diverged, and what failed would change nothing at the floor;
* real drop, size open: surely a drop (the interval lies below 0, or something diverged), but not surely one above the
  margin;
* too few seeds: fewer than five at every level, so that nothing has an interval;
* too noisy: none of these; the number of seeds that would settle it is given.

The interval holds seeds, train rows and test images. Its lower end errs in a share `steady` of studies, its upper end,
corrected for the levels, in a share `drop`: alone 5 % and 2.5 %, less for one verdict of many on a page (family.py).
Source of the one-sided test: Schuirmann 1987. Letters: L levels, S seeds.
"""

from typing import Any, NamedTuple

import numpy as np

from evenkeel.reports.statistics.error_model import ALPHA, Estimates
from evenkeel.reports.statistics.intervals import (
    MIN_SEEDS,
    Interval,
    nan_mean,
    t_interval,
    turned,
    wilson,
    worst_drop,
)
from evenkeel.reports.statistics.pooled_noise import NO_PRIOR, Prior
from evenkeel.reports.table.designs import Sweep
from evenkeel.reports.text.wording import SIGNED, counted, level, number, with_interval
from evenkeel.reports.verdict.seeds_needed import limited_by, seeds_needed

STEADY, SENSITIVE, SIZE_OPEN, TOO_NOISY, FEW_SEEDS, NOT_JUDGED = VERDICTS = (
    "steady",
    "sensitive",
    "real drop, size open",
    "too noisy",
    "too few seeds",
    "not judged",
)


class Standard(NamedTuple):
    """One-sided errors of a verdict, and the noise that its kind has in common."""

    steady: float = ALPHA
    drop: float = ALPHA / 2
    """Over all levels of the hyperparameter."""
    better: float = ALPHA / 2
    """Over `num_levels`, or those of the hyperparameter."""
    num_levels: int = 0
    noise: Prior = NO_PRIOR
    next_look: float = 1.0
    """What of these errors is left for a study that has grown by more seeds."""

    def for_levels(self, num: int, num_unfilled: int) -> "Standard":
        """Of sweeps with `num` levels away from the default: a drop is corrected for those that did not run as well."""
        return self._replace(drop=self.drop * num / (num + num_unfilled)) if num_unfilled else self


ALONE = Standard()
"""Of a verdict that is the only one."""


class BetterLevel(NamedTuple):
    """A level that surely beats the default, by more than the margin on average."""

    level: Any
    gain: Interval


class Judgement(NamedTuple):
    """A verdict with all that it rests on."""

    status: str
    drop: Interval
    """The worst change, with the interval that the verdict is read off."""
    own: Interval
    """The worst change with its 95 % interval, as if nothing else were judged."""
    reasons: tuple[str, ...]
    """What else keeps the loss from being steady or judged."""
    seeds_needed: int | None
    """How many seeds would settle what is too noisy or has too few in four of five such studies; None: no number."""
    limited_by: str
    """Then what there would have to be more of; empty when the drop lies too close to the margin."""
    better_levels: tuple[BetterLevel, ...]


def judge(sweep: Sweep, margin: float, floor: float = np.nan, standard: Standard = ALONE) -> Judgement:
    """The verdict on one sweep, by the rules above.

    `margin` and `floor` are in the unit of the metric; `floor` is the score of a constant predictor, NaN if unknown.
    """
    floor = sweep.sign * floor  # as the scores of a sweep, higher is better
    moved, errors = sweep.differences_LS[sweep.moved], sweep.image_errors_L[sweep.moved]
    standard = standard.for_levels(len(moved), sweep.num_unfilled)
    estimates = estimates_of(sweep, standard.noise)
    drop, needed, limit = deciding_interval(estimates, standard), None, ""
    costs = _divergence_costs(sweep, floor, standard)
    reasons = _incomplete(sweep, margin, floor, {k for k, cost in costs.items() if cost.high < -margin})
    status = _status(drop, margin, bool(reasons), list(costs.values()))
    if blocked := _not_judged(sweep, margin, floor):
        status, reasons = NOT_JUDGED, [blocked, *reasons]
    elif status in (TOO_NOISY, FEW_SEEDS):
        errors_then = standard.steady * standard.next_look, standard.drop * standard.next_look
        needed = seeds_needed(estimates, margin, *errors_then)
        limit = "" if needed else limited_by(estimates, margin, *errors_then)
    own = worst_drop(
        moved, image_errors_L=errors, shared=sweep.shared, looks=sweep.looks, num_unfilled=sweep.num_unfilled
    )
    return Judgement(
        status, drop, own, tuple(reasons), needed, limit, _better_levels(sweep, estimates, margin, standard)
    )


def estimates_of(sweep: Sweep, noise: Prior = NO_PRIOR) -> Estimates:
    """The mean differences from the default of all levels but that, in order."""
    moved = sweep.moved
    return Estimates.of_values(
        sweep.differences_LS[moved], sweep.image_errors_L[moved], shared=sweep.shared, prior=noise, looks=sweep.looks
    )


def may_be_steady(sweep: Sweep, margin: float, floor: float) -> bool:
    """Whether nothing but its interval can keep a sweep from being called steady."""
    floor = sweep.sign * floor
    return not _incomplete(sweep, margin, floor, set()) and not _not_judged(sweep, margin, floor)


def deciding_interval(estimates: Estimates, standard: Standard) -> Interval:
    """R5: the lowest mean over levels, with the interval that the verdict is read off; NaN ends with too few seeds.

    The low end is the lowest of the levels' own limits (an intersection-union argument: safe for "no level drops
    more"), the high end the lowest of limits corrected for the number of levels (safe for "some level drops more").
    Levels with few seeds are left out while others have enough.
    """
    counts = estimates.num_seeds
    kept = np.flatnonzero(counts >= (MIN_SEEDS if (counts >= MIN_SEEDS).any() else 1))
    if not len(kept):
        return Interval(np.nan, np.nan, np.nan, 0)
    lows, highs = estimates.lows(standard.steady)[kept], estimates.highs(standard.drop / len(kept))[kept]
    value, n = float(estimates.means[kept].min()), int(counts[kept].min())
    if np.isnan(lows).all():
        return Interval(value, np.nan, np.nan, n)
    lowest = estimates.interval(int(kept[np.nanargmin(lows)]), standard.steady)
    return Interval(value, lowest.low, float(np.nanmin(highs)), n, lowest.seed_half_width, lowest.image_half_width)


def _status(drop: Interval, margin: float, incomplete: bool, costs: list[Interval]) -> str:
    if drop.high < -margin or any(cost.high < -margin for cost in costs):
        return SENSITIVE
    if drop.n < MIN_SEEDS and not costs:
        return FEW_SEEDS
    if drop.low > -margin and not incomplete:
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


def _incomplete(sweep: Sweep, margin: float, floor: float, costly: set[int]) -> list[str]:
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
        elif failed := _failures_that_count(sweep, k, margin, floor):
            reasons.append(f"{place} failed in {failed} of {seeds}")
        elif finite < min(MIN_SEEDS, len(sweep.seeds)):
            mean = f", mean {number(t_interval(sweep.differences_LS[k]).value, SIGNED)}" if finite else ""
            reasons.append(f"{place} has {finite} of {seeds}{mean}")
    return reasons


def _failures_that_count(sweep: Sweep, k: int, margin: float, floor: float) -> int:
    """How many seeds of a level failed, 0 where it would be steady with them at the constant predictor's score.

    A seed that fails where the default does not may have failed because of the setting.
    """
    if (
        sweep.failed_LS is None
        or not (failed := sweep.failed_LS[k] & np.isfinite(sweep.scores_LS[sweep.default])).any()
    ):
        return 0
    lost = np.where(failed, floor, sweep.scores_LS[k]) - sweep.scores_LS[sweep.default]
    if np.isfinite(floor) and t_interval(lost, 1 - 2 * ALPHA, shared=sweep.shared).low > -margin:
        return 0
    return int(failed.sum())


def _divergence_costs(sweep: Sweep, floor: float, standard: Standard) -> dict[int, Interval]:
    """By number of a level with a diverged seed: minus the rate (Wilson) times the fall from default to floor."""
    default = float(nan_mean(sweep.scores_LS[sweep.default]))
    costs, confidence = {}, 1 - 2 * standard.drop / max(1, len(sweep.moved))
    for k in sweep.moved.tolist():
        if not (diverged := sweep.diverged_LS[k]).any():
            continue
        rate = wilson(int(diverged.sum()), int((diverged | np.isfinite(sweep.scores_LS[k])).sum()), confidence)
        reached = float(nan_mean(sweep.floored_LS[k, diverged]))
        fall = default - (reached if np.isfinite(reached) else floor)
        costs[k] = Interval(-rate.value * fall, -rate.high * fall, -rate.low * fall, rate.n)
    return costs


def _better_levels(sweep: Sweep, estimates: Estimates, margin: float, standard: Standard) -> tuple[BetterLevel, ...]:
    """Levels whose interval, corrected for the number of levels, lies above 0 and whose mean lies above the margin."""
    alpha = standard.better / max(1, standard.num_levels or len(sweep.moved) + sweep.num_unfilled)
    gains = [(sweep.levels[k], estimates.interval(i, alpha)) for i, k in enumerate(sweep.moved)]
    better = [BetterLevel(value, gain) for value, gain in gains if gain.low > 0 and gain.value > margin]
    return tuple(sorted(better, key=lambda b: -b.gain.value))
