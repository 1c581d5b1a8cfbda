"""What does it cost to use one setting on all data sets? Hyperparameter sensitivity after Adkins et al. 2024."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.style import bars, figure, looks, plain
from evenkeel.reports.sections.tuned import ENOUGH_OF_TUNING
from evenkeel.reports.statistics.over_sets import MeanOverSets, mean_over_sets, normalised, one_setting
from evenkeel.reports.table.designs import SobolPoints, each_with_metric, planned_settings_of
from evenkeel.reports.table.trial_table import facts_of
from evenkeel.reports.text.wording import SIGNED, counted, number, with_interval


class Everywhere(NamedTuple):
    """One loss over D data sets; normalised scores, 0 and 1 being 5 % and 95 % of all settings on a set."""

    loss: str
    num_settings: int
    shared: MeanOverSets
    own: MeanOverSets
    missed: MeanOverSets
    to_tune: str
    """How many hyperparameters must be tuned for each set to reach ENOUGH_OF_TUNING of `own`."""
    colour: str


class SettingNumbers(NamedTuple):
    num_sets: int
    losses: list[Everywhere]


@dataclass(frozen=True)
class JointSetting:
    """Hyperparameter sensitivity and effective dimensionality with the data sets as environments."""

    studies: Mapping[str, pd.DataFrame]
    key: str = "joint-setting"
    title: str = "One setting for all data sets"
    question: str = "What does a loss miss when it has one setting everywhere, and not the best of each data set?"

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> SettingNumbers:
        tables = list(each_with_metric(self.studies, facts_of(table).metric).values())
        on_all = [loss for loss in facts_of(table).losses if all(loss in facts_of(own).losses for own in tables)]
        points = {loss: [planned_settings_of(own, loss) for own in tables] for loss in on_all}
        whole = {loss: [p for p in own if p] for loss, own in points.items() if all(own)}
        look, shared = looks(facts_of(table).losses), facts_of(table).shared
        losses = [_everywhere(loss, whole, tables, look[loss][0], shared) for loss in whole]
        return SettingNumbers(len(tables), [loss for loss in losses if loss])

    def draw(self, info: SettingNumbers) -> Drawing | None:
        if not info.losses:
            return None
        drawn = figure(x_title="missed with one setting for all sets", y_title="normalised score, tuned on each set")
        for e in info.losses:
            missed, own = e.missed.best_known, e.own.best_known
            drawn.add_scatter(
                x=plain([missed.value]), y=plain([own.value]), mode="markers",
                error_x=bars([missed], color=e.colour, thickness=1.5, width=0),
                error_y=bars([own], color=e.colour, thickness=1.5, width=0),
                marker={"color": e.colour, "size": 10}, name=e.loss, legendgroup=e.loss,
                hovertemplate=f"{e.loss}: %{{y:.3f}} tuned on each set, %{{x:.3f}} of it missed<extra></extra>",
            )  # fmt: skip
        return drawn

    def rows(self, info: SettingNumbers) -> pd.DataFrame | None:
        if not info.losses:
            return None
        return pd.DataFrame(
            {
                "loss": [e.loss for e in info.losses],
                "settings": [e.num_settings for e in info.losses],
                "one setting": [number(e.shared.over.value) for e in info.losses],
                "tuned on each set": [number(e.own.over.value) for e in info.losses],
                "sensitivity, over sets": [with_interval(e.missed.over, SIGNED) for e in info.losses],
                "on these sets alone": [with_interval(e.missed.on_these, SIGNED) for e in info.losses],
                "dimensionality": [e.to_tune for e in info.losses],
            }
        )

    def answer(self, info: SettingNumbers) -> str:
        if not info.losses:
            return "No loss has two settings that were run on every data set."
        order = sorted(info.losses, key=lambda e: e.missed.over.value)
        parts = [f"{e.loss} {with_interval(e.missed.best_known, SIGNED)}" for e in order]
        return (
            f"With one setting for all {counted(info.num_sets, 'set')}, a loss misses of its normalised score: "
            f"{'; '.join(parts)}. 0 and 1 are what 5% and 95% of all settings reach on a set. Settings are chosen on "
            "validation, on other seeds than those shown; below 0 the choice on one set was worse than that on all.\n"
            "Dimensionality: how many hyperparameters must be tuned on each set to reach "
            f"{ENOUGH_OF_TUNING:.0%} of what tuning all of them reaches, the others at their defaults (after Adkins, "
            "Bowling and White 2024)."
        )


class _Pool(NamedTuple):
    """The settings that a loss has on all D sets, as rows of each set's own, and its scores there, [H, S] a set."""

    settings: list[tuple[object, ...]]
    test: list[np.ndarray]
    val: list[np.ndarray]

    def only(self, kept: list[int]) -> "_Pool":
        return _Pool([self.settings[i] for i in kept], [t[kept] for t in self.test], [v[kept] for v in self.val])


def _everywhere(
    loss: str, points: dict[str, list[SobolPoints]], tables: list[pd.DataFrame], colour: str, shared: float
) -> Everywhere | None:
    facts = facts_of(tables[0]).losses[loss]
    names, pool = list(facts.space), _pool(loss, points)
    if len(pool.settings) < 2 or not all(np.isfinite(own).any() for own in (*pool.test, *pool.val)):
        return None
    chosen = one_setting(pool.test, pool.val)
    everywhere, own, missed = (
        mean_over_sets(values, shared=shared) for values in (chosen.shared, chosen.own, chosen.missed)
    )
    default = tuple(facts.defaults[name] for name in names)
    to_tune = _to_tune(pool, names, default, everywhere.over.value, own.over.value)
    return Everywhere(loss, len(pool.settings), everywhere, own, missed, to_tune, colour)


def _pool(loss: str, points: dict[str, list[SobolPoints]]) -> _Pool:
    rows = [{setting: i for i, setting in enumerate(zip(*own.settings.values(), strict=True))} for own in points[loss]]
    common = [setting for setting in rows[0] if all(setting in own for own in rows)]
    kept = [[own[setting] for setting in common] for own in rows]
    test, val = (
        [
            normalised(getattr(own, name)[numbers], np.concatenate([getattr(p[d], name) for p in points.values()]))
            for d, (own, numbers) in enumerate(zip(points[loss], kept, strict=True))
        ]
        for name in ("test_HS", "val_HS")
    )
    return _Pool(common, test, val)


def _to_tune(pool: _Pool, names: list[str], default: tuple[object, ...], shared: float, own: float) -> str:
    enough = ENOUGH_OF_TUNING * own
    if not own > 0:
        return "–"
    at_default = [i for i, setting in enumerate(pool.settings) if setting == default]
    if shared >= enough or (at_default and _reached(pool.only(at_default)) >= enough):
        return "0"
    for d, name in enumerate(names):
        alone = [i for i, s in enumerate(pool.settings) if (*s[:d], *s[d + 1 :]) == (*default[:d], *default[d + 1 :])]
        if alone and _reached(pool.only(alone)) >= enough:
            return f"1 ({name})"
    return "2 or more" if at_default else "1 or more"


def _reached(pool: _Pool) -> float:
    """The mean over sets with the best of these settings for each."""
    return mean_over_sets(one_setting(pool.test, pool.val).own).over.value
