"""How often does the interval over data sets hold the truth? Five synthetic sets, simulated 20,000 times.

A change of the score has one mean over all data sets that there could be. Each set is measured with seeds of its own,
and noise that differs from set to set by a factor of up to three. Common effect: the truth is the same on all sets;
differing effects: that of each set is drawn about the mean. Goal: 0.93 to 0.97.
Run: python -m benchmarks.joint_coverage  (seconds)
"""

import numpy as np

from evenkeel.reports.statistics.error_model import ALPHA
from evenkeel.reports.verdict.joint import over_data_sets

NUM_SETS, NUM_SEEDS, REPEATS = 5, 10, 20_000
MEAN = -0.02
SPREADS = {"common": 0.0, "differing": 0.01}
"""Standard deviation of the true effects between sets."""


def main() -> None:
    for name, spread in SPREADS.items():
        print(f"coverage joint/{name}-effects {coverage(spread, REPEATS, np.random.default_rng(0)):.3f}")


def coverage(spread: float, repeats: int, rng: np.random.Generator) -> float:
    """The share of simulated collections of sets whose 95 % interval holds the mean effect."""
    truths_DR = rng.normal(MEAN, spread, (NUM_SETS, repeats))
    noise_D = np.geomspace(0.005, 0.015, NUM_SETS)
    means_DR = truths_DR + rng.normal(size=(NUM_SETS, repeats)) * noise_D[:, None] / np.sqrt(NUM_SEEDS)
    estimates = over_data_sets(means_DR)
    covered = (estimates.lows(ALPHA / 2) <= MEAN) & (estimates.highs(ALPHA / 2) >= MEAN)
    return float(covered.mean())


if __name__ == "__main__":
    main()
