"""How often is a sentence of the page false, and how often is a true effect of two margins found?

Each row makes fresh studies of a known truth (benchmarks/synthetic_truths.py), has the page's own sections answer, and
reads their sentences and verdicts as a reader does. A `false` row counts the pages (or, where it says so, the curves or
numbers) on which a sentence of its kind is false; a `found` row those that say the true thing, beside an oracle that
knows the noise and what train rows and test images add, and corrects for as many comparisons.
Run: python -m benchmarks.decisions [--studies 300] [--only TEXT]  (some minutes)
The rules of another version: --code FOLDER, a checkout of it.
"""

import argparse
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

if __name__ == "__main__" and "--code" in sys.argv:  # before anything of the report is imported
    sys.path.insert(0, os.path.abspath(sys.argv[sys.argv.index("--code") + 1]))

import pandas as pd
from scipy import stats

from benchmarks.synthetic_truths import Place, Truth, World
from evenkeel.reports.page.comparison import SameVerdict, by_name, together
from evenkeel.reports.sections import SECTIONS
from evenkeel.reports.verdict.convergence import unfinished

Count = Callable[[Any], list[bool]]
"""Of a study, a trial table as a rule: a truth value for each page, curve or number that a row counts."""


class Claim(NamedTuple):
    """What is counted of a study, and what the share should at most be (at least, for what is found)."""

    ask: Count
    claimed: str = "<= .05"


class Series(NamedTuple):
    """Studies of one kind, and the claims that each of them is asked about, by the first part of the row's name."""

    name: str
    study: Callable[[np.random.Generator], Any]
    claims: dict[str, Claim]


def sections_of(table: pd.DataFrame, key: str) -> list[Any]:
    """The sections whose key begins so; kinds are listed and made as the version that is measured does it."""
    kinds = list(SECTIONS.values()) if isinstance(SECTIONS, dict) else SECTIONS
    sections = (section for kind in kinds for section in getattr(kind, "for_study", getattr(kind, "of", None))(table))
    return [section for section in sections if section.key.startswith(key)]


def section_of(table: pd.DataFrame, key: str) -> Any:
    """The only section of a kind."""
    (section,) = sections_of(table, key)
    return section


def answer(table: pd.DataFrame, key: str) -> str:
    """What a section says."""
    section, rng = section_of(table, key), np.random.default_rng(0)
    return section.answer(section.compute(table, rng))


def verdicts(table: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Verdict by loss and hyperparameter, read from the grid."""
    section = section_of(table, "verdicts")
    grid = section.rows(section.compute(table, np.random.default_rng(0)))
    turned = grid.columns[0] == "hyperparameter"
    cells = {}
    for line in grid.itertuples(index=False):
        for column, cell in zip(grid.columns[1:], line[1:], strict=True):
            loss, name = (column, line[0]) if turned else (line[0], column)
            cells[loss, name.split(" ")[0]] = cell.split("|")[0]
    return cells


# --- what is asked of a page ---

DIFFER = re.compile(r"steadier than|loses? less|differs? surely|surely differs?")


def any_contrast(table: pd.DataFrame) -> list[bool]:
    """Whether the page says of any two losses that they differ."""
    return [bool(DIFFER.search(_sure(answer(table, "contrasts"))))]


def _sure(text: str) -> str:
    """Without leads and what the page explains."""
    return "\n".join(line for line in text.split("\n") if not line.startswith(("Lead", "Area", "Mean")))


def any_class_lost(table: pd.DataFrame) -> list[bool]:
    """Whether the page says of any class that it surely loses more than the margin."""
    return [answer(table, "class-drops").startswith("Most classes surely lose")]


def first_contrasts(table: pd.DataFrame) -> list[bool]:
    """For each comparison of the first loss with another in its first hyperparameter whether it is decided."""
    section = section_of(table, "contrasts")
    info = section.compute(table, np.random.default_rng(0))
    return [c.clear for c in info.contrasts if (c.first, c.name) == FIRST]


def flat_p(table: pd.DataFrame) -> list[bool]:
    """For each curve whether its p is at most .05."""
    low = []
    for section in sections_of(table, "sensitivity"):
        column = section.rows(section.compute(table, np.random.default_rng(0)))["p (flat)"]
        low += [float(p.removeprefix("< ")) <= 0.05 for p in column if p != "–"]
    return low


def not_the_best(table: pd.DataFrame) -> list[bool]:
    """Whether the page says of any default that a level beats it."""
    return ["default is not the best" in _sure(answer(table, "verdicts"))]


def any_winner(table: pd.DataFrame) -> list[bool]:
    """Whether the page names a winner without tuning."""
    return [" beats " in _sure(answer(table, "win"))]


def names_unfinished(table: pd.DataFrame) -> list[bool]:
    """Whether the page says of any loss that its training looks unfinished."""
    return [bool(unfinished(table))]


def about_the_margin(table: pd.DataFrame) -> list[bool]:
    """Whether the page says that a drop has about the size of the margin."""
    return ["by about the margin" in answer(table, "verdicts")]


def at_the_floor(table: pd.DataFrame) -> list[bool]:
    """Whether the page says that a default lies at the floor."""
    return [bool(re.search(r"lies? at the floor|nothing is left", answer(table, "verdicts")))]


FIRST = ("l0", "a")
"""The cell in which the first loss truly changes."""


def any_verdict(verdict: str) -> Count:
    """Whether any cell has this verdict."""
    return lambda table: [verdict in verdicts(table).values()]


def all_verdicts(verdict: str) -> Count:
    """For each cell whether it has this verdict."""
    return lambda table: [value == verdict for value in verdicts(table).values()]


def first_is(*statuses: str) -> Count:
    """Whether the first cell has one of these verdicts."""
    return lambda table: [verdicts(table)[FIRST] in statuses]


def interval_misses(pattern: str, key: str, truth: float) -> Count:
    """Whether the interval of a section's sentence leaves the truth out; nothing where there is none."""
    number = re.compile(pattern + r"\S* \[(\S+), ([^\]]+)\]")

    def count(table: pd.DataFrame) -> list[bool]:
        ends = number.search(answer(table, key))
        return [not float(ends[1]) <= truth <= float(ends[2])] if ends else []

    return count


def steady_though_diverged(table: pd.DataFrame) -> list[bool]:
    """Whether a cell with a diverged trial is called steady."""
    trials = table[table.state == "diverged"]
    cells = set(zip(trials.loss, trials.moved, strict=True))
    return [any(value == "steady" for key, value in verdicts(table).items() if key in cells)]


def steady_over(levels: tuple[int, ...]) -> Count:
    """Whether a cell is called steady in which one of these levels ran."""

    def count(table: pd.DataFrame) -> list[bool]:
        ran = set()
        for (loss, name), trials in table.groupby(["loss", "moved"]):
            if trials[f"hp.{name}"].isin(levels).any():
                ran.add((loss, name))
        return [any(verdict == "steady" and key in ran for key, verdict in verdicts(table).items())]

    return count


def differ_by_name(tables: list[pd.DataFrame]) -> list[bool]:
    """Whether a page of several studies says that they differ."""
    studies = by_name(tables)
    section = SameVerdict(studies)
    answer = section.answer(section.compute(together(studies), np.random.default_rng(0)))
    return ["differ for" in answer]


def says_of_pairs(words: str) -> Count:
    """Whether the page says this of any pair of hyperparameters that moved together."""
    return lambda table: [words in answer(table, "pair")]


LOOKS = (6, 9, 13, 20)
"""Of `seeds: {from: 6, to: 20}`."""


def looked_at(world: World) -> pd.DataFrame:
    """The trials of a study whose seeds go where they decide."""
    return part_due(world.table(LOOKS[-1]))


def part_due(table: pd.DataFrame) -> pd.DataFrame:
    """Of the trials with the most seeds those that the looks ask for; versions before 0.3.0 know of none."""
    from evenkeel.reports.verdict.looks import follow_looks, upto

    looked = under_looks(table)
    return upto(looked, follow_looks(looked).due)


def under_looks(table: pd.DataFrame) -> pd.DataFrame:
    """The same trials, judged as those of a study whose seeds go where they decide."""
    from evenkeel.reports.table.trial_table import facts_of, with_facts

    return with_facts(table, replace(facts_of(table), looks=LOOKS))


def going_finer(table: pd.DataFrame) -> pd.DataFrame:
    """The trials of a study whose levels go finer, from three of nine; a version that is measured may have none."""
    from benchmarks import finer_levels

    return finer_levels.going_finer(table)


def given_up_too_early(table: pd.DataFrame) -> list[bool]:
    """For each verdict that is given up whether the most seeds would have settled it."""
    due, most = part_due(table), verdicts(under_looks(table))
    seeds = due.groupby(["loss", "moved"]).seed.nunique()
    early = [key for key, verdict in verdicts(due).items() if verdict not in DECIDED and seeds[key] < LOOKS[-1]]
    return [most[key] in DECIDED for key in early]


# --- the studies ---


def fresh(truth: Truth) -> Callable[[np.random.Generator], pd.DataFrame]:
    """Each study is of a world of its own."""
    return lambda rng: World(truth, rng).table()


def changed(truth: Truth, changes: dict[Place, float], **more: Any) -> Truth:
    """The same kind of study with true changes."""
    return replace(truth, changes=changes, **more)


def following_advice(truth: Truth, *, by_one: bool) -> Callable[[np.random.Generator], list[bool]]:
    """Of a study that takes the page's number of seeds (or one more at a time) until it has a verdict: is it steady?"""

    def grown(rng: np.random.Generator) -> list[bool]:
        world, num, looks = World(truth, rng), truth.seeds, 1
        while num <= MOST_SEEDS and looks <= MOST_LOOKS:
            table = world.table(num, looks=looks)
            if (status := verdicts(table)[FIRST]) in DECIDED:
                return [status == "steady"]
            advice = re.search(r"(\d+) seeds would settle", answer(table, "verdicts"))
            if not by_one and not advice:
                break
            num, looks = max(num + 1, int(advice[1]) if advice and not by_one else 0), looks + 1
        return [False]

    return grown


def continued(truth: Truth, pattern: str, key: str, decided: Count) -> Callable[[np.random.Generator], list[bool]]:
    """Of a study that is given a number of seeds: whether grown to so many, on the same rows, it decides nothing."""

    def grown(rng: np.random.Generator) -> list[bool]:
        world = World(truth, rng)
        advice = re.search(pattern, answer(world.table(), key))
        if not advice:
            return []
        return [not any(decided(world.table(int(advice[1]), looks=2)))]

    return grown


MOST_SEEDS, MOST_LOOKS = 60, 20
DECIDED = ("steady", "sensitive")
SEEDS = Truth()
BOTH = Truth(shared=0.25, image_error=0.3)
NOISES = {
    "seeds": SEEDS,
    "heavy-tails": Truth(noise="heavy"),
    "unequal-noise": Truth(noise="unequal"),
    "rows-c.1": Truth(shared=0.1),
    "rows-c.25": Truth(shared=0.25),
    "rows-c.5": Truth(shared=0.5),
    "images": Truth(image_error=0.4),
    "few-patients": Truth(image_error=0.4, image_groups=15),
    "rows-and-images": BOTH,
    "five-seeds": Truth(seeds=5, shared=0.25),
}
SMALL = Truth(losses=1, hyperparameters=1, changes={(0, 0, 4): -1.0}, spread=1.0, seeds=6)
WIDE = {"hyperparameters": 3, "levels": 7, "spread": 2.0}
SLOPE = {(0, 0, level): -0.5 * level for level in range(1, 5)}
CLIFF = {(0, 0, 3): -5.0, (0, 0, 4): -8.0}
NEVER = "never"


def everywhere(change: float, truth: Truth) -> dict[Place, float]:
    """The last level of every hyperparameter of every loss."""
    return {(loss, name, 4): change for loss in range(truth.losses) for name in range(truth.hyperparameters)}


def whole(change: float) -> dict[Place, float]:
    """All levels of one hyperparameter of the first loss."""
    return {(0, 0, level): change for level in range(1, 5)}


def identity(values: list[bool]) -> list[bool]:
    """Of studies that count for themselves."""
    return values


def series() -> Iterator[Series]:
    """Every kind of study, in order."""
    yield from _flat()
    yield from _changed()
    yield from _broken()
    yield from _other_sentences()
    yield from _advice()
    yield from _looks()
    yield from _finer()
    yield from _pairs()
    yield from _found()


def _flat() -> Iterator[Series]:
    """Nothing matters: a page of twenty comparisons, and one of 105 levels with noise of about a margin."""
    for name, truth in NOISES.items():
        claims = {
            "false/contrast": Claim(any_contrast),
            "false/flat-p": Claim(flat_p, "<= .05 a curve"),
            "false/real-drop": Claim(any_verdict("real drop, size open")),
            "false/sensitive": Claim(any_verdict("sensitive")),
            "found/steady": Claim(all_verdicts("steady"), oracle_steady(truth)),
        }
        yield Series(f"flat-{name}", fresh(truth), claims)
    for name in ("seeds", "unequal-noise", "rows-c.25", "rows-and-images"):
        study = fresh(replace(NOISES[name], **WIDE))
        yield Series(f"wide-{name}", study, {"false/default-not-best": Claim(not_the_best)})


def _changed() -> Iterator[Series]:
    """One level, every hyperparameter, a slope, a cliff."""
    for name in ("seeds", "heavy-tails", "unequal-noise", "rows-and-images", "five-seeds"):
        claims = {"false/steady": Claim(any_verdict("steady")), "false/sensitive": Claim(any_verdict("sensitive"))}
        yield Series(f"all-at-1-{name}", fresh(changed(NOISES[name], everywhere(-1.0, SEEDS))), claims)
    for name in ("seeds", "rows-and-images"):
        for change in (-0.5, -1.0, -2.0, -5.0):
            wrong = "steady" if change <= -1 else "sensitive"
            study = fresh(changed(NOISES[name], {(0, 0, 4): change}))
            yield Series(f"one-level-at-{-change:g}-{name}", study, {f"false/{wrong}": Claim(first_is(wrong))})
    for name, changes in (("slope", SLOPE), ("cliff", CLIFF)):
        yield Series(name, fresh(changed(BOTH, changes)), {"false/steady": Claim(first_is("steady"))})


def _broken() -> Iterator[Series]:
    """Diverging, failing, at chance."""
    claims = {"false/steady": Claim(steady_though_diverged, NEVER)}
    yield Series("diverging", fresh(Truth(losses=2, diverging=0.05)), claims)
    failing = changed(SMALL, whole(-1.5), spread=2.0, lost_below=2.0, seeds=10)
    yield Series("bad-seeds-fail", fresh(failing), {"false/steady": Claim(first_is("steady"), NEVER)})
    at_random = Truth(losses=2, lost_at_random=0.05)
    yield Series(
        "failing-at-random", fresh(at_random), {"found/steady": Claim(all_verdicts("steady"), "failed levels not")}
    )
    noisy = Truth(losses=2, above_floor=10, default_noise=20.0)
    yield Series("noisy-default", fresh(noisy), {"false/lies-at-the-floor": Claim(at_the_floor, NEVER)})
    chance = Truth(losses=1, above_floor=1.0, default_noise=2.0)
    judged = Claim(lambda table: [set(verdicts(table).values()) != {"not judged"}])
    yield Series("at-chance", fresh(chance), {"false/judged": judged})


def _other_sentences() -> Iterator[Series]:
    for change in (-2.0, -3.0, -5.0):
        truth = changed(SMALL, {(0, 0, 4): change}, spread=-0.7 * change, seeds=10)
        yield Series(f"drop-of-{-change:g}", fresh(truth), {"false/about-the-margin": Claim(about_the_margin, NEVER)})
    for effect in (0.5, 1.0):
        truth = Truth(random_settings=32, whole_loss=effect / np.sqrt(0.5), shared=0.5, levels=2, hyperparameters=1)
        yield Series(f"whole-loss-{effect:g}", fresh(truth), {"false/winner": Claim(any_winner)})
    for classes in (20, 260):
        truth = changed(Truth(classes=classes), everywhere(-1.0, SEEDS))
        yield Series(f"{classes}-classes-at-1", fresh(truth), {"false/class-drops": Claim(any_class_lost)})
    for losses in (1, 5):
        truth = Truth(losses=losses, scatter=3.0, levels=2, hyperparameters=1)
        yield Series(f"{losses}-losses-scattered", fresh(truth), {"false/unfinished": Claim(names_unfinished)})
    tuned = Truth(searched=True, levels=2, hyperparameters=1, spread=1.0)
    misses = {"false/named-best-interval": Claim(interval_misses("(?:highest|best) on test .*?", "tuned", 0.5))}
    yield Series("equal-when-tuned", fresh(tuned), misses)
    shared = {"false/shared-worst-drop-interval": Claim(interval_misses("l0 ", "verdicts", 0.0))}
    yield Series("two-losses", fresh(Truth(losses=2, hyperparameters=3, spread=1.0)), shared)
    for name, truth in (("seeds", SEEDS), ("rows-and-images", replace(BOTH, spread=1.0))):
        claims = {"false/studies-differ": Claim(differ_by_name)}
        yield Series(f"three-studies-{name}", lambda rng, t=truth: _several([t] * 3, rng), claims)


def _advice() -> Iterator[Series]:
    for name, by_one in (("as-advised", False), ("one-seed-at-a-time", True)):
        yield Series(name, following_advice(SMALL, by_one=by_one), {"false/steady": Claim(identity)})
    weak = changed(SMALL, {(0, 0, 4): -0.3}, seeds=8)
    decided = first_is(*DECIDED)
    settle = continued(weak, r"(\d+) seeds would settle", "verdicts", decided)
    yield Series("verdicts", settle, {"false/seeds-would-settle": Claim(identity, "1 of 5")})
    for kind, truth in (("seeds", Truth(losses=2, spread=2.0)), ("rows-c.1", Truth(losses=2, spread=1.5, shared=0.1))):
        near = changed(truth, whole(-2.0))
        decide = continued(near, r"(\d+) (?:seeds )?would decide", "contrasts", any_contrast)
        yield Series(f"contrasts-{kind}", decide, {"false/seeds-would-decide": Claim(identity, "1 of 5")})
    for name in ("rows-c.25", "images"):
        claims = {"false/number-where-nothing-is": Claim(number_given, "a page")}
        yield Series(f"flat-{name}", fresh(NOISES[name]), claims)


def _looks() -> Iterator[Series]:
    """Seeds go where they decide, from 6 to 20: errors over all looks, and verdicts that are given up too early."""
    for name in ("seeds", "rows-and-images"):
        claims = {"false/steady": Claim(any_verdict("steady")), "false/sensitive": Claim(any_verdict("sensitive"))}
        truth = replace(NOISES[name], losses=2)
        truth = changed(truth, everywhere(-1.0, truth))
        yield Series(f"looks-at-1-{name}", lambda rng, t=truth: looked_at(World(t, rng)), claims)
    mixed = Truth(losses=2, changes={(0, 0, 4): -0.5, (0, 1, 4): -0.75, (1, 0, 4): -1.5})
    given_up = Claim(given_up_too_early, "1 of 5")
    yield Series("looks", lambda rng: World(mixed, rng).table(LOOKS[-1]), {"false/given-up": given_up})


def _finer() -> Iterator[Series]:
    """Levels go finer, from three of nine: one margin is lost at the last, or at three that may not run."""
    for name in ("seeds", "rows-and-images"):
        truth = replace(NOISES[name], losses=2, levels=9)
        for place, levels in (("last", (8,)), ("between", (5, 6, 7))):
            lost = {(loss, h, k): -1.0 for loss in range(2) for h in range(2) for k in levels}
            claims = {
                "false/steady-finer-levels": Claim(steady_over(levels)),
                "false/sensitive-finer-levels": Claim(any_verdict("sensitive")),
            }
            study = fresh(changed(truth, lost))
            yield Series(f"{place}-{name}", lambda rng, study=study: going_finer(study(rng)), claims)


def _pairs() -> Iterator[Series]:
    """Two hyperparameters together, of two losses: nothing matters, both effects add up, they are a margin away."""
    for name in ("seeds", "heavy-tails", "rows-and-images", "five-seeds"):
        kind = replace(NOISES[name], losses=2)
        flat, slope = replace(kind, interactions={}), {**SLOPE, (0, 1, 2): 1.0, (1, 0, 4): -2.0}
        sure = Claim(says_of_pairs("surely"))
        yield Series(f"pairs-flat-{name}", fresh(flat), {"false/setting-sure": sure})
        depends = {"false/depends": Claim(says_of_pairs(": the effect of a depends"))}
        yield Series(f"pairs-adding-up-{name}", fresh(changed(flat, slope)), depends)
        apart = replace(kind, interactions={(4, 4): -1.0})
        yield Series(f"pairs-at-1-{name}", fresh(apart), {"false/adds-up": Claim(says_of_pairs("add up"))})
    strong = replace(NOISES["rows-and-images"], losses=2, interactions={(4, 4): -3.0, (4, 3): -3.0})
    depends = {"found/depends": Claim(says_of_pairs(": the effect of a depends"), "of 2 losses any")}
    yield Series("pairs-3-margins-rows-and-images", fresh(strong), depends)


def _found() -> Iterator[Series]:
    """True effects of two margins and more, ten seeds."""
    for name, truth in NOISES.items():
        if truth.seeds == 10:
            contrast = {"found/contrast": Claim(first_contrasts, oracle_contrast(truth))}
            yield Series(f"2-margins-{name}", fresh(changed(truth, whole(-2.0))), contrast)
            claims = {"found/sensitive": Claim(first_is("sensitive"), oracle_sensitive(truth, 3.0))}
            yield Series(f"3-margins-{name}", fresh(changed(truth, {(0, 0, 4): -3.0})), claims)
    best = changed(replace(SEEDS, **WIDE), {(0, 0, 3): 2.0}, spread=0.42)
    yield Series("2-margins", fresh(best), {"found/default-not-best": Claim(not_the_best, "")})
    curve = changed(SMALL, {(0, 0, 4): -2.0}, spread=0.42, shared=0.25, seeds=10)
    yield Series("2-margins", fresh(curve), {"found/flat-p": Claim(flat_p, "")})
    rising = Truth(scatter=0.5, rise=3.0, levels=2, losses=1)
    yield Series("3-margins", fresh(rising), {"found/unfinished": Claim(names_unfinished, "")})
    sharp = [replace(SEEDS, shared=0.25), changed(replace(SEEDS, shared=0.25), whole(-2.0))]
    yield Series("2-margins", lambda rng: _several(sharp, rng), {"found/studies-differ": Claim(differ_by_name, "")})


def number_given(table: pd.DataFrame) -> list[bool]:
    """Whether a page says how many seeds would decide a comparison."""
    return [bool(re.search(r"\d+ (?:seeds )?would decide", answer(table, "contrasts")))]


def _several(truths: list[Truth], rng: np.random.Generator) -> list[pd.DataFrame]:
    return [World(truth, rng).table(name=f"s{i}") for i, truth in enumerate(truths)]


# --- what an oracle finds that knows the noise and what train rows and test images add ---


def standard_error(truth: Truth, num_levels: float) -> float:
    """Of the mean difference between a default and the mean of so many levels, in margins."""
    spread = truth.spread_K[4] if truth.noise == "unequal" else truth.spread
    of_one_mean = np.sqrt(spread**2 * (truth.shared + 1 / truth.seeds) + truth.image_error**2)
    return float(of_one_mean * np.sqrt(1 + 1 / num_levels))


def num_units(truth: Truth) -> int:
    """Cells and comparisons of a page."""
    return truth.hyperparameters * (truth.losses + truth.losses * (truth.losses - 1) // 2)


def oracle_contrast(truth: Truth) -> str:
    """How often it tells two losses apart that differ by two margins on average."""
    error = standard_error(truth, truth.levels - 1) * np.sqrt(2)
    return f"oracle {stats.norm.cdf(2 / error - stats.norm.ppf(1 - 0.025 / num_units(truth))):.2f}"


def oracle_sensitive(truth: Truth, drop: float) -> str:
    """How often it calls a drop of one level sensitive."""
    critical = stats.norm.ppf(1 - 0.025 / num_units(truth) / (truth.levels - 1))
    return f"oracle {stats.norm.cdf((drop - 1) / standard_error(truth, 1) - critical):.2f}"


def oracle_steady(truth: Truth, num: int = 2000) -> str:
    """How often it calls a flat cell steady among as many flat ones, by the same step-up rule."""
    rng, cells = np.random.default_rng(0), truth.losses * truth.hyperparameters
    error = standard_error(truth, 1) / np.sqrt(2)
    levels = error * rng.normal(size=(num, cells, truth.levels - 1)) - error * rng.normal(size=(num, cells, 1))
    worst = (levels.min(-1) + 1) / standard_error(truth, 1)
    count = np.array([(worst > stats.norm.ppf(1 - 0.05 / j)).sum(1) for j in range(1, cells + 1)])
    passed = count >= cells - np.arange(1, cells + 1)[:, None] + 1
    steady = np.where(passed.any(0), count[passed.argmax(0), np.arange(num)], 0)
    return f"oracle {steady.mean() / cells:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=300, help="of each kind")
    parser.add_argument("--only", default="", help="kinds and claims that hold this text")
    parser.add_argument("--code", help="a checkout whose rules are measured")
    options = parser.parse_args()
    for kind in series():
        claims = {name: claim for name, claim in kind.claims.items() if options.only in f"{name}-{kind.name}"}
        if claims:
            for line in lines(kind._replace(claims=claims), options.studies):
                print(line, flush=True)


def lines(kind: Series, num_studies: int) -> list[str]:
    """`ratio NAME VALUE` by claim, with its standard error over studies, what it counts, and what is claimed."""
    return [
        f"ratio {name}-{kind.name} {share:.3f}  (+- {error:.3f} of {num}; {kind.claims[name].claimed})"
        for name, (share, error, num) in measured(kind, num_studies).items()
    ]


def measured(kind: Series, num_studies: int) -> dict[str, tuple[float, float, int]]:
    """By claim the share, its standard error, and how many values it is of; values of one study hang together."""
    rng = np.random.default_rng(1)
    values: dict[str, list[list[bool]]] = {name: [] for name in kind.claims}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for study in (kind.study(rng) for _ in range(num_studies)):
            for name, claim in kind.claims.items():
                values[name].append(claim.ask(study))
    return {name: _share([of_study for of_study in of_claim if of_study]) for name, of_claim in values.items()}


def _share(values: list[list[bool]]) -> tuple[float, float, int]:
    if not values:
        return float("nan"), float("nan"), 0
    every = [value for of_study in values for value in of_study]
    means = np.array([np.mean(of_study) for of_study in values])
    return float(np.mean(every)), float(means.std() / np.sqrt(len(means))), len(every)


if __name__ == "__main__":
    main()
