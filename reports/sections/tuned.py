"""How good does each loss get when it is tuned? R10 and R20: chosen on validation, shown on test, on fresh seeds."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.style import FAINT, bars, figure, looks, plain
from evenkeel.reports.statistics.curves import cross_fitted_best
from evenkeel.reports.statistics.error_model import error_of_look
from evenkeel.reports.statistics.intervals import CONFIDENCE, Interval, jackknife_error, nan_mean, t_interval, turned
from evenkeel.reports.table.designs import ENDED, has_design, losses_of, sweep_of
from evenkeel.reports.table.trial_table import CENSORED, CONFIRM, DONE, IMAGES, SEARCH, facts_of
from evenkeel.reports.text.wording import PERCENT, SIGNED, level, listed, number, with_interval

ENOUGH_OF_TUNING = 0.95
MAX_FRONT = 6
"""Proposals of a front that are shown."""


class Overtuning(NamedTuple):
    """What choosing by validation cost on test, and its share of what the search gained; NaN where not known."""

    lost: float
    share: float


class Winner(NamedTuple):
    """The winner of one search: setting, its validation score in the search, test scores on fresh seeds.

    Scores are as measured; `gain` is above 0 where tuning made them better.
    """

    loss: str
    group: int
    budget: int
    setting: dict[str, Any]
    searched_val: float
    tuned: Interval
    default: Interval
    gain: Interval
    gap: float
    overtuning: Overtuning
    sensitivity: float
    """Of what tuning reaches above the floor, the share that the default misses."""
    to_tune: str
    """How many hyperparameters must be tuned for ENOUGH_OF_TUNING of what tuning reaches."""
    colour: str
    stopped: int = 0
    """Proposals beside those of the budget that a pruner ended early."""


class Best(NamedTuple):
    """The loss that is best when tuned, with an interval that allows for its choice, and what it surely beats."""

    name: str
    score: Interval
    beats: list[str]


class TunedNumbers(NamedTuple):
    """`chosen_by` is the metric, in words, whose validation score chose the winners."""

    title: str
    chosen_by: str
    winners: list[Winner]
    sign: int = 1
    """1 where a higher score is better, -1 where a lower one is."""
    best: Best | None = None
    fronts: str = ""
    """What a search in two metrics found, in words."""


@dataclass(frozen=True)
class Tuned:
    """Search results, with equal budgets; searched points appear nowhere else in this report."""

    key: str = "tuned"
    title: str = "When tuned"
    question: str = "How good does each loss get with the same budget of search, and what does tuning bring?"

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()] if has_design(table, SEARCH) else []

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> TunedNumbers:
        look = looks(facts_of(table).losses)
        winners = []
        for loss in losses_of(table):
            rows = table[(table.loss == loss) & (table.state == DONE)]
            for group in sorted(rows[rows.design == SEARCH].group.dropna().unique()):
                if winner := _winner(table, rows, loss, int(group), look[loss][0]):
                    winners.append(winner)
        study = facts_of(table)
        chosen_by = study.measures[study.chosen_by or study.metric].title
        return TunedNumbers(study.title, chosen_by, winners, study.sign, _best(table, winners), _fronts(table))

    def draw(self, info: TunedNumbers) -> Drawing | None:
        if not info.winners:
            return None
        drawn = figure(x_title="", y_title=f"{info.title} on test,<br>fresh seeds")
        names = [_name(w) for w in info.winners]
        for part, symbol in (("default", "circle-open"), ("tuned", "diamond")):
            scores = [getattr(w, part) for w in info.winners]
            drawn.add_scatter(
                x=names,
                y=plain(s.value for s in scores),
                error_y=bars(scores, color=FAINT),
                mode="markers",
                marker={"symbol": symbol, "size": 11, "color": [w.colour for w in info.winners]},
                name=f"{part} setting",
            )
        return drawn

    def rows(self, info: TunedNumbers) -> pd.DataFrame | None:
        if not info.winners:
            return None
        return pd.DataFrame(
            {
                "loss": [_name(w) for w in info.winners],
                "proposals": [_proposals(w) for w in info.winners],
                "validation": [number(w.searched_val) for w in info.winners],
                "tuned": [with_interval(w.tuned) for w in info.winners],
                "default": [with_interval(w.default) for w in info.winners],
                "gain": [with_interval(w.gain, SIGNED) for w in info.winners],
                "gap": [number(w.gap, SIGNED) for w in info.winners],
                "overtuning": [_overtuned(w.overtuning) for w in info.winners],
                "sensitivity": [number(w.sensitivity, SIGNED) for w in info.winners],
                "dimensionality": [w.to_tune for w in info.winners],
                "winner": [", ".join(f"{k} {level(_short(v))}" for k, v in w.setting.items()) for w in info.winners],
            }
        )

    def answer(self, info: TunedNumbers) -> str:
        if not info.winners:
            return "No search has a winner that was trained on fresh seeds."
        gains = [f"{_name(w)} {with_interval(w.gain, SIGNED)}" for w in info.winners]
        return (
            f"{_best_words(info)} Gain over the default: {'; '.join(gains)}. Winners were chosen by "
            f"{info.chosen_by} on validation, on the search's seeds; the gap is the winner's validation score there "
            f"minus its test score on fresh seeds, both of {info.title}.{info.fronts}"
        )


def _best_words(info: TunedNumbers) -> str:
    """Which loss is best, whether surely, with an interval that allows for its having been picked."""
    assert info.best is not None
    name, score, beats = info.best
    lead = f"Tuned, {name} is best on test ({with_interval(score)}, n = {score.n} fresh seeds"
    if len(info.winners) < 2:
        return f"{lead})."
    num_rivals = len(info.winners) - 1
    surely = f"surely better than {listed(beats)}" if beats else "not surely better than any other"
    return f"{lead}; the interval allows for the choice among {num_rivals + 1}), {surely}."


class _Fresh(NamedTuple):
    """A setting on fresh seeds: scores by seed, and without each group of test images as arrays [G], if recorded."""

    scores: pd.Series
    images: pd.Series | None

    @classmethod
    def from_rows(cls, rows: pd.DataFrame, column: str) -> Self:
        by_seed = rows.set_index("seed")
        images = by_seed.get(f"{IMAGES}{column}")
        return cls(by_seed[column], None if images is None or images.isna().any() else images)

    def minus(self, other: Self) -> Self:
        """The difference, paired by seed."""
        seeds = self.scores.index.intersection(other.scores.index)
        images = None
        if self.images is not None and other.images is not None:
            images = self.images[seeds] - other.images[seeds]
        return type(self)(self.scores[seeds] - other.scores[seeds], images)

    def interval(self, shared: float, confidence: float = CONFIDENCE) -> Interval:
        images = [] if self.images is None else self.images.tolist()
        error = float(jackknife_error(np.mean(images, axis=0))) if images else 0.0
        return t_interval(self.scores.to_numpy(), confidence, error, shared=shared)


def overtuning(val_P: np.ndarray, test_P: np.ndarray) -> Overtuning:
    """What choosing by validation cost on test, of P proposals in the order proposed, by their scores [P].

    Those that led on validation are compared on test: the best of them minus the last, and that by the best minus the
    first. Source: Schneider, Bischl and Feurer 2025.
    """
    led = np.flatnonzero(np.diff(np.maximum.accumulate(val_P), prepend=-np.inf) > 0)
    if not len(led):
        return Overtuning(np.nan, np.nan)
    first, last, best = test_P[led[0]], test_P[led[-1]], test_P[led].max()
    return Overtuning(float(best - last), float((best - last) / (best - first)) if best > first else np.nan)


def _best(table: pd.DataFrame, winners: list[Winner]) -> Best | None:
    """The winner with the best mean on fresh seeds; its interval and comparisons are corrected for the choice."""
    study = facts_of(table)
    if not winners:
        return None
    error, num = error_of_look(study.look), len(winners)
    fresh = {_name(w): _fresh(table, w.loss, w.group) for w in winners}
    best = max(winners, key=lambda w: study.sign * w.tuned.value)
    name, score = _name(best), fresh[_name(best)].interval(study.shared_alone, 1 - error / num)
    confidence = 1 - error / max(1, num * (num - 1) / 2)
    ahead = {
        key: turned(fresh[name].minus(rival).interval(study.shared, confidence), study.sign)
        for key, rival in fresh.items()
    }
    return Best(name, score, [key for key, lead in ahead.items() if key != name and lead.low > 0])


def _fresh(table: pd.DataFrame, loss: str, group: int) -> _Fresh:
    """The winner of one search on fresh seeds."""
    rows = table[(table.loss == loss) & (table.state == DONE) & (table.design == CONFIRM) & (table.group == group)]
    return _Fresh.from_rows(rows, f"test_{facts_of(table).metric}")


def _winner(table: pd.DataFrame, rows: pd.DataFrame, loss: str, group: int, colour: str) -> Winner | None:
    study = facts_of(table)
    keys = [f"hp.{name}" for name in study.losses[loss].space]
    searched = rows[(rows.design == SEARCH) & (rows.group == group)]
    confirmed = rows[(rows.design == CONFIRM) & (rows.group == group)]
    default = rows[(rows.design == CONFIRM) & rows.group.isna()]
    if confirmed.empty:
        return None
    setting = {key: confirmed.iloc[0][key] for key in keys}
    same = np.all([[value == setting[key] for value in searched[key]] for key in keys], axis=0)
    column = f"test_{study.metric}"
    tuned, untuned = _Fresh.from_rows(confirmed, column), _Fresh.from_rows(default, column)
    gain = turned(tuned.minus(untuned).interval(study.shared), study.sign)
    searched_val = float(searched.loc[same, f"val_{study.metric}"].mean()) if same.any() else np.nan
    score = tuned.interval(study.shared_alone)
    return Winner(
        loss,
        group,
        len(searched[keys].drop_duplicates()),
        {key.removeprefix("hp."): value for key, value in setting.items()},
        searched_val,
        score,
        untuned.interval(study.shared_alone),
        gain,
        searched_val - score.value,
        _overtuning(table, loss, group),
        *_adkins(table, loss, study.sign * (score.value - study.floor), gain.value),
        colour,
        _count_stopped(table, loss, group),
    )


def _count_stopped(table: pd.DataFrame, loss: str, group: int) -> int:
    stopped = (table.loss == loss) & (table.design == SEARCH) & (table.group == group) & (table.state == CENSORED)
    return int(table.proposal[stopped].nunique())


def _overtuning(table: pd.DataFrame, loss: str, group: int) -> Overtuning:
    """Of one search. NaN where records of an earlier version do not say what was proposed when."""
    study = facts_of(table)
    proposed = (table.loss == loss) & (table.design == SEARCH) & (table.group == group) & table.state.isin(ENDED)
    columns = [f"val_{study.chosen_by or study.metric}", f"test_{study.metric}"]
    if table.proposal[proposed].isna().any():
        return Overtuning(np.nan, np.nan)
    val_P, test_P = table[proposed].groupby("proposal")[columns].mean().dropna(subset=columns[:1]).to_numpy().T
    return overtuning(study.sign_of(study.chosen_by or study.metric) * val_P, study.sign * test_P)


def _adkins(table: pd.DataFrame, loss: str, above_floor: float, gain: float) -> tuple[float, str]:
    """Sensitivity and effective dimensionality, with these data as the one environment and the default as the setting
    that would be used everywhere. One hyperparameter alone is tuned over its sweep, chosen on validation over the other
    seeds. Source: Adkins, Bowling and White 2024.
    """
    if not above_floor > 0:
        return np.nan, "–"
    missed = gain / above_floor
    by_one = _gain_of_one(table, loss) / above_floor
    if 1 - missed >= ENOUGH_OF_TUNING:
        return missed, "0"
    return missed, "1" if 1 - missed + by_one >= ENOUGH_OF_TUNING else "2 or more" if np.isfinite(
        by_one
    ) else "1 or more"


def _gain_of_one(table: pd.DataFrame, loss: str) -> float:
    """What the best level of any single hyperparameter brings over the default; NaN without a sweep."""
    sweeps = [sweep for name in facts_of(table).losses[loss].space if (sweep := sweep_of(table, loss, name))]
    if not sweeps:
        return np.nan
    test, val = (np.vstack([getattr(sweep, name) for sweep in sweeps]) for name in ("scores_LS", "val_LS"))
    return float(cross_fitted_best(test, val) - nan_mean(sweeps[0].scores_LS[sweeps[0].default]))


def _fronts(table: pd.DataFrame) -> str:
    """Of each search in two metrics the proposals that none beats in both on validation, from the first's best on."""
    study = facts_of(table)
    if study.beside not in study.measures or study.metric not in study.measures:
        return ""
    names, rows = [study.chosen_by or study.metric, study.beside], table[(table.design == SEARCH)]
    searches = rows[["loss", "group"]].drop_duplicates().itertuples(index=False)
    texts = [_front(rows[(rows.loss == loss) & (rows.group == group)], names) for loss, group in searches]
    titles = " and ".join(study.measures[name].title for name in names)
    return f" Proposals that none beats in both {titles} on validation: {'; '.join(texts)}."


def _front(rows: pd.DataFrame, names: list[str]) -> str:
    signs = np.array([facts_of(rows).sign_of(name) for name in names])
    ended = rows[rows.state == DONE].groupby("proposal")[[f"val_{name}" for name in names]].mean().dropna()
    scores = ended.to_numpy()[~is_beaten(signs * ended.to_numpy())]
    best = scores[np.argsort(-signs[0] * scores[:, 0])][:MAX_FRONT]
    pairs = [f"{number(a)} and {number(b)}" for a, b in best]
    return f"{_search_name(rows.loss.iloc[0], int(rows.group.iloc[0]))}: {', '.join(pairs) or 'none yet'}"


def is_beaten(scores_P2: np.ndarray) -> np.ndarray:
    """Whether another proposal is as good in both scores and better in one, [P]; scores [P, 2] are finite and high.

    By values of the first score, the best first: each needs only the best second score at it and above it.
    """
    first_P, second_P = scores_P2.T
    values, place_P = np.unique(-first_P, return_inverse=True)
    best = np.full(len(values), -np.inf)
    np.maximum.at(best, place_P, second_P)
    above = np.concatenate([[-np.inf], np.maximum.accumulate(best)[:-1]])
    return (second_P < best[place_P]) | (second_P <= above[place_P])


def _proposals(winner: Winner) -> str:
    if not winner.stopped:
        return str(winner.budget)
    return f"{winner.budget + winner.stopped}, {winner.stopped} of them stopped early"


def _name(winner: Winner) -> str:
    return _search_name(winner.loss, winner.group)


def _search_name(loss: str, group: int) -> str:
    """Of a loss that is searched several times, each on seeds of its own, the second search and later have a number."""
    return loss if group == 0 else f"{loss}, search {group + 1}"


def _overtuned(overtuning: Overtuning) -> str:
    lost = number(overtuning.lost)
    has_share = np.isfinite(overtuning.share) and float(lost) > 0  # a share of what rounds to 0 says nothing
    return f"{lost} ({number(overtuning.share, PERCENT)})" if has_share else lost


def _short(value: object) -> Any:
    return float(f"{value:.3g}") if isinstance(value, float) else value
