"""What do finer levels cost? `levels: {coarse: 3, to: 9}` against nine levels for all.

Each data set is a study of a known truth (benchmarks/synthetic_truths.py) of three losses and three hyperparameters
over nine levels, the default at one end. What a hyperparameter does is drawn: nothing, half a margin, a slope, a cliff
at any level, a plateau of one margin; a dip of one level, which may lie between coarse ones, is a kind of its own. A
verdict is settled when it is steady or sensitive, and contradicted when the truth over all nine levels is not so; an
edge is found when the last level that is not surely a drop and the first that is are neighbours among the nine.
Run: python -m benchmarks.finer_levels [--sets 40]  (of each kind; a minute or two)
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.synthetic_truths import HYPERPARAMETERS, Truth, World
from benchmarks.verdict_cost import LOOKS
from evenkeel.reports.facts import StudyFacts
from evenkeel.reports.table.trial_table import facts_of, with_facts
from evenkeel.reports.verdict.family import family_of, judgements
from evenkeel.reports.verdict.finer_levels import chances_fallen
from evenkeel.reports.verdict.looks import follow_looks, upto
from evenkeel.reports.verdict.verdict import SENSITIVE, STEADY

NUM_LEVELS = 9
STUDY = {"losses": 3, "hyperparameters": 3, "levels": NUM_LEVELS}
KINDS = {
    "seeds": Truth(**STUDY),
    "rows-and-images": Truth(**STUDY, shared=0.25, image_error=0.3),
    "noisy": Truth(**STUDY, shared=0.25, image_error=0.3, spread=0.8),
}
Curve = dict[int, float]
"""Level -> true change, in margins."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=40, help="data sets of each kind")
    num_sets = parser.parse_args().sets
    for kind, truth in KINDS.items():
        report(kind, list(studies(truth, num_sets, draw_curve)))
    report("dips", list(studies(KINDS["seeds"], num_sets, draw_dip)))


def draw_curve(rng: np.random.Generator) -> Curve:
    """Flat, half a margin, a slope to two margins, a cliff of three, a plateau of one: from a level drawn on."""
    start, shape = int(rng.integers(1, NUM_LEVELS)), int(rng.integers(6))
    levels = range(start, NUM_LEVELS)
    slope = {k: -2.0 * (k - start + 1) / (NUM_LEVELS - start) for k in levels}
    depths = [{}, {}, dict.fromkeys(levels, -0.5), slope, dict.fromkeys(levels, -3.0), dict.fromkeys(levels, -1.0)]
    return depths[shape]


def draw_dip(rng: np.random.Generator) -> Curve:
    """One level of three margins."""
    return {int(rng.integers(1, NUM_LEVELS)): -3.0}


def studies(
    truth: Truth, num_sets: int, draw: Callable[[np.random.Generator], Curve]
) -> Iterator[dict[str, Counter[str]]]:
    """For each data set what the designs cost and say."""
    rng = np.random.default_rng(0)
    for _ in range(num_sets):
        cells = [(loss, name) for loss in range(truth.losses) for name in range(truth.hyperparameters)]
        drawn = replace(truth, changes={(*cell, k): c for cell in cells for k, c in draw(rng).items()})
        whole = World(drawn, rng).table(LOOKS[-1])
        ten = with_facts(
            whole[whole.seed < 10].reset_index(drop=True), replace(facts_of(whole), seeds=tuple(range(10)))
        )
        designs = {"nine": ten, "finer": going_finer(ten), "finer-and-seeds": going_finer(whole, looks=LOOKS)}
        yield {name: tally(table, drawn) for name, table in designs.items()}


BOUNDS = {"finer": (3 * 7 * 10, 3 * 25 * 10), "finer-and-seeds": (3 * 7 * LOOKS[0], 3 * 25 * LOOKS[-1])}
"""The fewest and the most trials of a data set."""


def going_finer(table: pd.DataFrame, **more: object) -> pd.DataFrame:
    """The trials that a study whose levels go finer, from both ends and the middle, asks for."""
    facts: StudyFacts = facts_of(table)
    losses = {
        label: replace(loss, coarse={name: levels[:: len(levels) // 2] for name, levels in loss.levels.items()})
        for label, loss in facts.losses.items()
    }
    asking = with_facts(table, replace(facts, losses=losses, **more))  # type: ignore[arg-type]
    return upto(asking, follow_looks(asking).due)


def tally(table: pd.DataFrame, truth: Truth) -> Counter[str]:
    """Trials; verdicts that are settled, contradicted, sensitive where they should be; edges that are found."""
    counts, family = Counter(trials=len(table)), family_of(table)
    for (loss, name), judged in judgements(table).items():
        place = int(loss[1:]), HYPERPARAMETERS.index(name)
        changes = [truth.changes.get((*place, k), 0.0) for k in range(1, NUM_LEVELS)]
        counts["settled"] += judged.status in (STEADY, SENSITIVE)
        false = {STEADY: min(changes) <= -1, SENSITIVE: min(changes) >= -1}
        counts["contradicted"] += false.get(judged.status, False)
        counts["large"] += min(changes) <= -2
        counts["large-sensitive"] += min(changes) <= -2 and judged.status == SENSITIVE
        sweep = family.sweeps[loss, name]
        fallen = chances_fallen(sweep, facts_of(table).margin, family.standard) > 0.5
        levels = np.array(sweep.levels)
        if min(changes) <= -2 and fallen.any():
            first = int(np.argmax(fallen))
            counts["edges"] += 1
            counts["edges-placed"] += levels[first] - levels[first - 1] == 1
    return counts


def report(kind: str, tallies: list[dict[str, Counter[str]]]) -> None:
    """A line a design, and the ratios to nine levels for all."""
    total = {design: sum((each[design] for each in tallies), Counter()) for design in tallies[0]}
    print(f"{kind}: {len(tallies)} data sets, {9 * len(tallies)} verdicts")
    for design, counts in total.items():
        print(
            f"  {design:16} {counts['trials']:8,} trials {counts['settled']:6,} settled {counts['contradicted']:4} "
            f"contradicted; of {counts['large']} drops of two margins or more {counts['large-sensitive']} sensitive, "
            f"{counts['edges-placed']} of {counts['edges']} edges between neighbours"
        )
    for design, (fewest, most) in BOUNDS.items():
        share = (total[design]["trials"] / len(tallies) - fewest) / (most - fewest)
        print(f"ratio asked/{design}/{kind} {share:.3f}")
        for quantity in ("trials", "settled", "large-sensitive"):
            ratio = total[design][quantity] / max(1, total["nine"][quantity])
            print(f"ratio {quantity}/{design}-vs-nine/{kind} {ratio:.3f}")
        print(
            f"ratio contradicted/{design}/{kind} {total[design]['contradicted'] / max(1, total[design]['settled']):.3f}"
        )


if __name__ == "__main__":
    main()
