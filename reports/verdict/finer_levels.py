"""Which levels a sweep gets besides its coarse ones: those between neighbours where the curve falls, or is open.

A level has fallen when its true mean is likely to lie below minus the margin, by Student's t about the mean (the
confidence distribution: Cox 1958), and stands when that is unlikely; a level that diverged has fallen. Between two
neighbours that both stand, or have both fallen, nothing is looked for. Asking for a level claims nothing, so that no
error is made by it; what is claimed of a level then allows for all levels that the study plans, whether they ran or not
(`Standard.for_levels`). What lies between two levels that stand is not seen: a dip narrower than the coarse levels.
Letters: L levels that ran.
"""

import numpy as np
from scipy import special

from evenkeel.reports.table.designs import Sweep
from evenkeel.reports.verdict.further_seeds import LEAST_CHANCE
from evenkeel.reports.verdict.verdict import NOT_JUDGED, Judgement, Standard, estimates_of


def gaps_to_fill(sweep: Sweep, judged: Judgement, margin: float, standard: Standard) -> list[int]:
    """Numbers of the levels between which and the next one another is to be tried; none where nothing is judged."""
    if judged.status == NOT_JUDGED:
        return []
    chances_L = chances_fallen(sweep, margin, standard)
    stand_L, fallen_L = chances_L < LEAST_CHANCE, chances_L > 1 - LEAST_CHANCE
    alike = (stand_L[1:] & stand_L[:-1]) | (fallen_L[1:] & fallen_L[:-1])
    return np.flatnonzero(~alike).tolist()


def chances_fallen(sweep: Sweep, margin: float, standard: Standard) -> np.ndarray:
    """That each level [L] truly drops by more than the margin; one half where too few seeds say anything."""
    estimates, chances_L = estimates_of(sweep, standard.noise), np.zeros(len(sweep.levels))
    distances, errors = -margin - estimates.means, estimates.errors
    t = np.divide(distances, errors, out=np.sign(distances) * np.inf, where=errors > 0)
    chances_L[sweep.moved] = np.where(np.isfinite(errors), special.stdtr(estimates.error_degrees, t), 0.5)
    return np.where(sweep.diverged_LS.any(1), 1.0, chances_L)
