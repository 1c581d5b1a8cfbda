"""The verdict on one loss in one hyperparameter: rules, computed, never written by hand.

Per metric a margin is fixed in the study file. With D0(k) the mean over seeds of the score at level k minus the same
seed's score at the default:

* not judged: the default diverged or has too few seeds, or it lies at the floor, where nothing is left to lose;
* sensitive: the 95 % interval of the worst drop lies below -margin, or divergence alone costs more than that;
* steady: the 90 % interval lies above -margin (two one-sided tests at 5 %), every planned level has enough finite
  seeds, and nothing diverged;
* near the margin: surely a drop (the 95 % interval lies below 0, or something diverged), its size around the margin;
* too few seeds: fewer than five at every level, so that nothing has an interval;
* too noisy: none of these; the number of seeds that would settle it is given.

Source of the equivalence test: Schuirmann 1987.
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
    of_one_mean,
    t_interval,
    wilson,
    worst_drop,
)
from evenkeel.reports.table.designs import Sweep
from evenkeel.reports.text.wording import SIGNED, counted, level, number

STEADY, SENSITIVE, NEAR, NOISY, FEW, NOT_JUDGED = VERDICTS = (
    "steady",
    "sensitive",
    "near the margin",
    "too noisy",
    "too few seeds",
    "not judged",
)
EQUIVALENCE = 0.90
NUMBERS = np.arange(MIN_SEEDS, 501)
"""Numbers of seeds that are thought of: more than 500 are called too many."""


class Better(NamedTuple):
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
    needed: int | None
    """How many seeds would settle what is too noisy or has too few, at the mean and noise seen; None: no number."""
    limit: str
    """Then what there would have to be more of; empty when the drop lies too close to the margin."""
    better: tuple[Better, ...]


def judge(sweep: Sweep, margin: float, floor: float = np.nan) -> Judgement:
    """The verdict on one sweep; `floor` is the score of a predictor that does not look at the image, NaN if unknown."""
    moved, errors = sweep.differences_LS[sweep.moved], sweep.errors_L[sweep.moved]
    drop = worst_drop(moved, errors_L=errors, shared=sweep.shared)
    low90 = worst_drop(moved, EQUIVALENCE, errors, shared=sweep.shared).low
    costs, needed, limit = _divergence_costs(sweep, floor), None, ""
    reasons = _incomplete(sweep, {k for k, cost in costs.items() if cost.high < -margin})
    status = _status(drop, low90, margin, bool(reasons), list(costs.values()))
    if blocked := _not_judged(sweep, margin, floor):
        status, reasons = NOT_JUDGED, [blocked, *reasons]
    elif status in (NOISY, FEW):
        needed = seeds_needed(moved, margin, errors, shared=sweep.shared)
        limit = "" if needed else _limit(moved, margin, errors, sweep.shared)
    return Judgement(status, drop, low90, tuple(reasons), needed, limit, _better(sweep, margin))


def seeds_needed(differences_LS: np.ndarray, margin: float, errors_L: np.ndarray, *, shared: float = 0.0) -> int | None:
    """The smallest number of seeds that would give "steady" or "sensitive" in four of five studies like this one.

    It takes the means and standard deviations seen for the truth. None when too many would be needed: a mean lies near
    the margin, or the test images or the train rows are too few.
    """
    known = np.isfinite(differences_LS).sum(-1) > 1
    if not known.any():
        return MIN_SEEDS
    means, spreads = (np.array([f(row[np.isfinite(row)]) for row in differences_LS[known]]) for f in (np.mean, _sd))
    errors, confidence = errors_L[known], 1 - (1 - CONFIDENCE) / len(means)
    steady, sensitive = (_room(spreads, errors, 0.5 + level / 2, shared) for level in (EQUIVALENCE, confidence))
    settled = (means + margin > steady).all(-1) | (-margin - means > sensitive).any(-1)
    return int(NUMBERS[settled.argmax()]) if settled.any() else None


def _limit(moved_LS: np.ndarray, margin: float, errors_L: np.ndarray, shared: float) -> str:
    """What keeps any number of seeds from settling a verdict: that without which some number would."""
    none = np.zeros_like(errors_L)
    without = {"test images": (none, shared), "train rows": (errors_L, 0.0), "test images and train rows": (none, 0.0)}
    settled = (
        words for words, (errors, left) in without.items() if seeds_needed(moved_LS, margin, errors, shared=left)
    )
    return next(settled, "")


def _room(spreads: np.ndarray, errors: np.ndarray, probability: float, shared: float) -> np.ndarray:
    """How far means [L] must lie from the margin to be told from it with each of NUMBERS of seeds: [N, L]."""
    widths = (_quantiles(probability) + _quantiles(POWER)) * of_one_mean(NUMBERS, shared)
    of_seeds = widths[:, None] * spreads
    return np.hypot(of_seeds, stats.norm.ppf(probability) * errors)


@cache
def _quantiles(probability: float) -> np.ndarray:
    return stats.t.ppf(probability, NUMBERS - 1)


def _sd(values: np.ndarray) -> float:
    return float(values.std(ddof=1))


def _status(drop: Interval, low90: float, margin: float, incomplete: bool, costs: list[Interval]) -> str:
    if drop.high < -margin or any(cost.high < -margin for cost in costs):
        return SENSITIVE
    if drop.n < MIN_SEEDS and not costs:
        return FEW
    if low90 > -margin and not incomplete:
        return STEADY
    return NEAR if drop.high < 0 or costs else NOISY


def _not_judged(sweep: Sweep, margin: float, floor: float) -> str | None:
    num, diverged = len(sweep.seeds), int(sweep.diverged_LS[sweep.default].sum())
    default = t_interval(sweep.scores_LS[sweep.default], shared=sweep.shared_alone)
    if diverged:
        return f"the default diverged in {diverged} of {counted(num, 'seed')}"
    if default.n < min(MIN_SEEDS, num):
        return f"the default has {default.n} of {counted(num, 'seed')}"
    if (default.low if default.n >= MIN_SEEDS else default.value) <= floor + margin:
        return f"the default ({number(default.value)}) lies at the floor ({number(floor)}): nothing is left to lose"
    return None


def _incomplete(sweep: Sweep, costly: set[int]) -> list[str]:
    """Levels that cannot be called steady, with the reason; at the `costly` ones divergence alone costs too much."""
    reasons = []
    for k, value in enumerate(sweep.levels):
        finite, diverged = int(np.isfinite(sweep.differences_LS[k]).sum()), int(sweep.diverged_LS[k].sum())
        where, seeds = f"{sweep.name} {level(value)}", counted(len(sweep.seeds), "seed")
        if k == sweep.default:
            continue
        if diverged:
            alone = ", which alone costs more than the margin" if k in costly else ""
            reasons.append(f"{where} diverged in {diverged} of {seeds}{alone}")
        elif finite < min(MIN_SEEDS, len(sweep.seeds)):
            mean = f", mean {number(t_interval(sweep.differences_LS[k]).value, SIGNED)}" if finite else ""
            reasons.append(f"{where} has {finite} of {seeds}{mean}")
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


def _better(sweep: Sweep, margin: float) -> tuple[Better, ...]:
    """Levels whose interval, corrected for their number, lies above 0 and whose mean lies above the margin."""
    confidence = 1 - (1 - CONFIDENCE) / max(1, len(sweep.moved))
    rows = ((k, sweep.differences_LS[k], sweep.errors_L[k]) for k in sweep.moved)
    gains = {k: t_interval(row, confidence, error, shared=sweep.shared) for k, row, error in rows}
    found = [Better(sweep.levels[k], gain) for k, gain in gains.items() if gain.low > 0 and gain.value > margin]
    return tuple(sorted(found, key=lambda b: -b.gain.value))
