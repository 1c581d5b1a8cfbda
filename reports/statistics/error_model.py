"""The one error of every decision: seeds, train rows and test images, for many means at once.

A decision is a bound and the one-sided error that it may make; whoever decides says of how many comparisons it is one.
Letters: K means, S seeds, G groups of test images.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy import special

from evenkeel.reports.statistics.intervals import (
    IMAGE_DEGREES,
    MIN_SEEDS,
    Interval,
    nan_mean,
    standard_error_factor,
)
from evenkeel.reports.statistics.pooled_noise import NO_PRIOR, Prior, moderated, sample_variances
from evenkeel.reports.statistics.spending import Looks, error_at, level_at

ALPHA = 0.05
"""A kind of sentence is false on at most this share of pages."""


@dataclass(frozen=True)
class Estimates:
    """K means over seeds [K], in the unit of the score, with what they are known by.

    `spreads` [K] are standard deviations of a single seed, worth `degrees` [K] of freedom; `image_errors` [K] standard
    errors that the choice of test images adds (0 where it was not recorded); `shared` as in t_interval. A mean of fewer
    than MIN_SEEDS seeds has no error, and nothing is decided by it. `looks`: who got more seeds was decided at these
    numbers of them, and every error is spent over all of them.
    """

    means: np.ndarray
    spreads: np.ndarray
    degrees: np.ndarray
    image_errors: np.ndarray
    num_seeds: np.ndarray
    shared: float = 0.0
    looks: Looks = ()

    @classmethod
    def of_values(
        cls,
        values_KS: np.ndarray,
        image_errors_K: np.ndarray,
        *,
        shared: float,
        prior: Prior = NO_PRIOR,
        looks: Looks = (),
    ) -> Self:
        """From differences [K, S], NaN where a seed is missing; `prior` is what their noise has in common."""
        variances, degrees = moderated(*sample_variances(values_KS), prior)
        num_seeds = np.isfinite(values_KS).sum(-1)
        return cls(nan_mean(values_KS), np.sqrt(variances), degrees, image_errors_K, num_seeds, shared, looks)

    def rows(self, kept: np.ndarray) -> Self:
        """Some of the means, by a mask [K] or numbers [M]."""
        return type(self)(
            self.means[kept],
            self.spreads[kept],
            self.degrees[kept],
            self.image_errors[kept],
            self.num_seeds[kept],
            self.shared,
            self.looks,
        )

    def with_seeds(self, num_seeds: np.ndarray) -> Self:
        """The same means and noise with other numbers of seeds, [N, 1]; everything but the means is then [N, K]."""
        degrees = self.degrees * (num_seeds - 1) / np.maximum(self.num_seeds - 1, 1)
        return replace(self, degrees=degrees, num_seeds=num_seeds)

    @property
    def seed_errors(self) -> np.ndarray:
        """Standard errors that seeds add and, where they vary, train rows, [K]."""
        errors = self.spreads * standard_error_factor(np.maximum(self.num_seeds, 1), self.shared)
        return np.where(self.num_seeds >= MIN_SEEDS, errors, np.nan)

    @property
    def errors(self) -> np.ndarray:
        """Standard errors of all sources, [K]."""
        return np.hypot(self.seed_errors, self.image_errors)

    @property
    def error_degrees(self) -> np.ndarray:
        """Degrees of freedom of `errors`, [K]. Source: Satterthwaite 1946."""
        share = np.divide(self.seed_errors, self.errors, out=np.ones_like(self.errors), where=self.errors > 0) ** 2
        return 1 / (share**2 / np.maximum(self.degrees, 1) + (1 - share) ** 2 / IMAGE_DEGREES)

    @property
    def _fixed(self) -> np.ndarray:
        """What of the squared errors no seed makes smaller, in the variance of one seed, [K]."""
        images = np.divide(self.image_errors, self.spreads, out=np.zeros_like(self.means), where=self.spreads > 0)
        return self.shared + images**2

    def half_widths(self, alpha: float) -> np.ndarray:
        """How far a limit of one-sided error `alpha` lies from each mean, [K]."""
        level = level_at(alpha, self.num_seeds, self._fixed, self.looks)
        return special.stdtrit(self.error_degrees, 1 - level) * self.errors

    def lows(self, alpha: float) -> np.ndarray:
        """Lower limits, [K], each above its true mean in a share `alpha` of studies."""
        return self.means - self.half_widths(alpha)

    def highs(self, alpha: float) -> np.ndarray:
        """Upper limits, [K], each below its true mean in a share `alpha` of studies."""
        return self.means + self.half_widths(alpha)

    def two_sided_p(self) -> np.ndarray:
        """p of each mean against 0, [K]; NaN where nothing can be decided."""
        t = np.divide(np.abs(self.means), self.errors, out=np.full_like(self.means, np.inf), where=self.errors > 0)
        p = 2 * error_at(special.stdtr(self.error_degrees, -t), self.num_seeds, self._fixed, self.looks)
        return np.where(np.isfinite(self.errors), np.where(self.means == 0, 1.0, p), np.nan)

    def interval(self, k: int, alpha: float) -> Interval:
        """The interval of one mean whose ends each have error `alpha`."""
        mean, half, error = (float(values[k]) for values in (self.means, self.half_widths(alpha), self.errors))
        quantile = half / error if error > 0 else np.nan
        of_sources = (float(quantile * part[k]) for part in (self.seed_errors, self.image_errors))
        return Interval(mean, mean - half, mean + half, int(self.num_seeds[k]), *of_sources)


def joined(parts: Sequence[Estimates]) -> Estimates:
    """Several estimates of one kind as one."""
    return Estimates(
        np.concatenate([part.means for part in parts]),
        np.concatenate([part.spreads for part in parts]),
        np.concatenate([part.degrees for part in parts]),
        np.concatenate([part.image_errors for part in parts]),
        np.concatenate([part.num_seeds for part in parts]),
        parts[0].shared,
        parts[0].looks,
    )


def error_of_look(look: int) -> float:
    """What of ALPHA a page may spend that is the `look`-th at a growing study, 1, 2, ...; over all looks it is ALPHA.

    Four fifths go to the first look, since most studies have no other. Whoever adds seeds until a verdict is there
    would otherwise be wrong in up to a fifth of studies. Source: error spending, Lan and DeMets 1983.
    """
    return 0.8 * ALPHA if look == 1 else 0.2 * ALPHA * 6 / np.pi**2 / (look - 1) ** 2


def share_of_next_look(look: int) -> float:
    """The error of the look after the `look`-th, in that of the `look`-th."""
    return error_of_look(look + 1) / error_of_look(look)
