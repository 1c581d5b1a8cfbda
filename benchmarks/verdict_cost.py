"""What does a verdict cost in trials? `seeds: {from: 6, to: 20}` against 20 seeds and 10 for all, and against AdaStop.

Verdicts: each data set is a study of a known truth (benchmarks/synthetic_truths.py) of three losses and three
hyperparameters, whose changes are drawn: none, less than the margin, the margin, more, far more; with noise of seeds
alone, with train rows and test images, and with more noise. A verdict is settled when it is steady or sensitive, and
contradicted when the truth is not so. Intervals are those that the page prints of each level.

Decisions: which of two losses scores higher at each of eight levels, half of them alike, falsely any in at most 5 %.
AdaStop (Mathieu and others 2023) adds five seeds at a time up to 20; ours is the paired difference by the same spent
errors and chances as verdicts.
Stopping: how often two equal settings are told apart, by these errors, by a test at 5 % at each look (as a race does
that corrects for nothing), and by Optuna's WilcoxonPruner after each seed.
Run: python -m benchmarks.verdict_cost [--sets 40]  (of each kind of noise; some minutes)
AdaStop: pip install -e ".[bench]"; without it its rows are left out.
"""

import argparse
import importlib.util
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import optuna
import pandas as pd

from benchmarks.synthetic_truths import HYPERPARAMETERS, MARGIN, Truth, World
from evenkeel.reports.statistics.error_model import ALPHA, Estimates
from evenkeel.reports.statistics.pooled_noise import common_noise
from evenkeel.reports.statistics.spending import Looks
from evenkeel.reports.table.trial_table import facts_of, with_facts
from evenkeel.reports.verdict.family import family_of, judgements
from evenkeel.reports.verdict.further_seeds import LEAST_CHANCE, chances_with
from evenkeel.reports.verdict.looks import follow_looks, upto
from evenkeel.reports.verdict.verdict import SENSITIVE, STEADY, Standard

LOOKS = (6, 9, 13, 20)
"""Of `seeds: {from: 6, to: 20}`."""
CHANGES = ({}, {}, {4: -0.5}, {3: -0.5, 4: -1.0}, {4: -2.0}, {3: -1.5, 4: -3.0}, {3: -3.0, 4: -6.0})
"""By level, in margins: what a hyperparameter may do."""
STUDY = {"losses": 3, "hyperparameters": 3}
KINDS = {
    "seeds": Truth(**STUDY),
    "rows-and-images": Truth(**STUDY, shared=0.25, image_error=0.3),
    "noisy": Truth(**STUDY, shared=0.25, image_error=0.3, spread=0.8),
}
NUM_LEVELS, DIFFERENCES = 8, (0, 0, 0, 0, 0.5, 1.0, 2.0, 4.0)
"""By level: how much higher the first loss truly scores, in standard deviations over seeds."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=40, help="data sets of each kind of noise")
    num_sets = parser.parse_args().sets
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    verdicts = {kind: list(_verdicts(truth, num_sets)) for kind, truth in KINDS.items()}
    for kind, tallies in verdicts.items():
        report_verdicts(kind, tallies)
    report_verdicts("all", [tally for tallies in verdicts.values() for tally in tallies])
    report_decisions(num_sets * len(KINDS))
    report_stopping(8 * num_sets)


# --- verdicts ---


def _verdicts(truth: Truth, num_sets: int) -> Iterator[dict[str, Counter[str]]]:
    """For each data set what the three designs cost and say."""
    rng = np.random.default_rng(0)
    for _ in range(num_sets):
        drawn = replace(truth, changes=_draw_changes(truth, rng))
        whole = World(drawn, rng).table(LOOKS[-1])
        looked = with_facts(whole, replace(facts_of(whole), looks=LOOKS))
        tables = {
            "fixed-20": whole,
            "fixed-10": first_seeds(whole, 10),
            "adaptive": upto(looked, follow_looks(looked).due),
        }
        yield {design: tally(table, drawn) for design, table in tables.items()}


def _draw_changes(truth: Truth, rng: np.random.Generator) -> dict[tuple[int, int, int], float]:
    cells = [(loss, name) for loss in range(truth.losses) for name in range(truth.hyperparameters)]
    return {(*cell, k): change for cell in cells for k, change in CHANGES[rng.integers(len(CHANGES))].items()}


def first_seeds(table: pd.DataFrame, num: int) -> pd.DataFrame:
    """The study of the first seeds alone."""
    kept = table[table.seed < num].reset_index(drop=True)
    return with_facts(kept, replace(facts_of(table), seeds=tuple(range(num))))


def tally(table: pd.DataFrame, truth: Truth) -> Counter[str]:
    """Trials, verdicts that are settled, those of them that are contradicted, printed intervals, those that hold."""
    counts, family = Counter(trials=len(table)), family_of(table)
    for (loss, name), judged in judgements(table).items():
        changes = [
            truth.changes.get((int(loss[1:]), HYPERPARAMETERS.index(name), k), 0.0) for k in range(1, truth.levels)
        ]
        counts["settled"] += judged.status in (STEADY, SENSITIVE)
        false = {STEADY: min(changes) <= -1, SENSITIVE: min(changes) >= -1}
        counts["contradicted"] += false.get(judged.status, False)
        sweep = family.sweeps[loss, name]
        for interval, change in zip(sweep.reference[1:], changes, strict=True):
            counts["intervals"] += 1
            counts["hold"] += interval.low <= MARGIN * change <= interval.high
    return counts


def report_verdicts(kind: str, tallies: list[dict[str, Counter[str]]]) -> None:
    """A line a design, and the ratios."""
    total = {design: sum((each[design] for each in tallies), Counter()) for design in tallies[0]}
    print(f"{kind}: {len(tallies)} data sets, {9 * len(tallies)} verdicts")
    for design, counts in total.items():
        print(
            f"  {design:10} {counts['trials']:8,} trials {counts['settled']:6,} settled "
            f"{counts['contradicted']:4} contradicted, intervals hold {counts['hold'] / counts['intervals']:.3f}"
        )
    adaptive = total["adaptive"]
    for fixed in ("fixed-20", "fixed-10"):
        for quantity in ("trials", "settled"):
            print(
                f"ratio {quantity}/adaptive-vs-{fixed}/{kind} {adaptive[quantity] / max(1, total[fixed][quantity]):.3f}"
            )
    print(f"ratio contradicted/adaptive/{kind} {adaptive['contradicted'] / max(1, adaptive['settled']):.3f}")
    print(f"ratio coverage/adaptive/{kind} {adaptive['hold'] / adaptive['intervals']:.3f}")


# --- which of two losses scores higher ---


def report_decisions(num_sets: int) -> None:
    """Trials, right and wrong decisions of both, on the same scores."""
    rng, total = np.random.default_rng(0), {"ours": Counter[str]()}
    if importlib.util.find_spec("adastop"):
        total["adastop"] = Counter()
    for number in range(num_sets):
        scores_PLS = rng.normal(size=(2, NUM_LEVELS, LOOKS[-1]))
        scores_PLS[0] += np.array(DIFFERENCES)[:, None]
        total["ours"] += _count(*decide(scores_PLS[0] - scores_PLS[1]))
        if "adastop" in total:
            total["adastop"] += _count(*decide_by_adastop(scores_PLS, number))
    fixed = 2 * NUM_LEVELS * LOOKS[-1] * num_sets
    print(
        f"which of two losses scores higher at {NUM_LEVELS} levels, {num_sets} data sets; all seeds: {fixed:,} trials"
    )
    for name, counts in total.items():
        print(
            f"  {name:8} {counts['trials']:7,} trials, {counts['right']:5,} right and {counts['wrong']:3} wrong "
            f"decisions, any wrong in {counts['any wrong'] / num_sets:.3f} of data sets"
        )
    for quantity in ("trials", "right", "any wrong") if "adastop" in total else ():
        print(f"ratio {quantity}/ours-vs-adastop {total['ours'][quantity] / max(1, total['adastop'][quantity]):.3f}")


def _count(num_seeds_L: np.ndarray, signs_L: np.ndarray) -> Counter[str]:
    """Of the seeds that each level took, and the sign that was decided on (0: none)."""
    truth_L = np.sign(DIFFERENCES)
    right, wrong = (
        int(((signs_L == truth_L) & (truth_L != 0)).sum()),
        int(((signs_L != truth_L) & (signs_L != 0)).sum()),
    )
    return Counter({"trials": int(2 * num_seeds_L.sum()), "right": right, "wrong": wrong, "any wrong": int(wrong > 0)})


def decide(differences_LS: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Seeds [L] that each level takes, and the sign of its difference [L]: spent errors as ours, Holm's rule (1979)."""
    num_levels, noise = len(differences_LS), common_noise(differences_LS[:, : LOOKS[0]])
    num_L, open_L = np.full(num_levels, LOOKS[0]), np.ones(num_levels, dtype=bool)
    for look in LOOKS:
        num_L[open_L] = look
        values_LS = np.where(np.arange(LOOKS[-1]) < num_L[:, None], differences_LS, np.nan)
        estimates = Estimates.of_values(values_LS, np.zeros(num_levels), shared=0.0, prior=noise, looks=LOOKS)
        decided_L = _holm(estimates.two_sided_p())
        alpha = ALPHA / 2 / max(1, num_levels - decided_L.sum())
        chances = chances_with(LOOKS[-1], estimates, 0.0, Standard(steady=alpha, drop=alpha * num_levels))
        open_L = open_L & ~decided_L & (chances.above_K + chances.below_K >= LEAST_CHANCE)
    return num_L, np.sign(estimates.means) * decided_L


def _holm(p_L: np.ndarray) -> np.ndarray:
    """Which of these are decided, falsely any in at most 5 %."""
    order = np.argsort(p_L)
    passes = np.cumprod(p_L[order] <= ALPHA / np.arange(len(p_L), 0, -1)).astype(bool)
    decided_L = np.zeros(len(p_L), dtype=bool)
    decided_L[order] = passes
    return decided_L


def decide_by_adastop(scores_PLS: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The same by AdaStop, with its five seeds a look and its own permutations."""
    from adastop import MultipleAgentsComparator

    step, num_levels = 5, scores_PLS.shape[1]
    pairs = np.arange(2 * num_levels).reshape(num_levels, 2)
    looks = MultipleAgentsComparator(n=step, K=LOOKS[-1] // step, B=1000, comparisons=pairs, alpha=ALPHA, seed=seed)
    num_L = np.zeros(num_levels, dtype=int)
    for number in range(1, looks.K + 1):
        for pair in pairs if looks.current_comparisons is None else looks.current_comparisons:
            num_L[pair[0] // 2] = number * step
        agents = {f"{p}-{k}": scores_PLS[p, k, : number * step] for k in range(num_levels) for p in range(2)}
        looks.partial_compare(agents, verbose=False)
        if looks.is_finished:
            break
    words = {"larger": 1, "smaller": -1}
    return num_L, np.array([words.get(looks.decisions[str(pair)], 0) for pair in pairs])


# --- stopping when it suits ---


def report_stopping(num_sets: int) -> None:
    """How often two equal settings are told apart, by who looks at each look and stops when a test says so."""
    rng = np.random.default_rng(0)
    differences_DS = rng.normal(size=(num_sets, LOOKS[-1]))
    shares = {
        "spent-errors": np.mean([_differ_at_a_look(row, LOOKS) for row in differences_DS]),
        "95%-at-each-look": np.mean([_differ_at_a_look(row, ()) for row in differences_DS]),
        "wilcoxon-pruner": np.mean([_is_pruned(row) for row in differences_DS]),
    }
    for name, share in shares.items():
        print(f"ratio equal-told-apart/{name} {share:.3f}")


def _differ_at_a_look(differences_S: np.ndarray, looks: Looks) -> bool:
    by_look = (Estimates.of_values(differences_S[None, :n], np.zeros(1), shared=0.0, looks=looks) for n in LOOKS)
    return any(estimates.two_sided_p()[0] <= ALPHA for estimates in by_look)


def _is_pruned(differences_S: np.ndarray) -> bool:
    """Whether Optuna's WilcoxonPruner, as it comes, ends a setting that is as good as the best, seed by seed."""
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.WilcoxonPruner())
    best, equal = study.ask(), study.ask()
    for seed in range(len(differences_S)):
        best.report(0.0, seed)
    study.tell(best, 0.0)
    for seed, difference in enumerate(differences_S):
        equal.report(float(difference), seed)
        if equal.should_prune():
            return True
    return False


if __name__ == "__main__":
    main()
