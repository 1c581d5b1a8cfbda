"""What is to be expected of the best of B random settings? R13, from the Sobol points alone."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.style import bars, figure, looks, plain
from evenkeel.reports.statistics.intervals import Interval, turned
from evenkeel.reports.statistics.random_settings import best_of_budgets, budget_intervals
from evenkeel.reports.table.designs import has_design, is_validated, losses_of, sobol_points_of
from evenkeel.reports.table.trial_table import SOBOL, facts_of
from evenkeel.reports.text.wording import few_settings_warning, number, with_interval

BUDGETS = (1, 4, 8, 16)


class BudgetCurve(NamedTuple):
    """One loss: expected score [B] of the best of 1, 2, ... settings, and intervals at the budgets shown."""

    loss: str
    num_settings: int
    expected: np.ndarray
    at_budgets: dict[int, Interval]
    colour: str
    dash: str


class BudgetNumbers(NamedTuple):
    title: str
    curves: list[BudgetCurve]
    sign: int = 1
    """1 where a higher score is better, -1 where a lower one is; all numbers here are as measured."""


@dataclass(frozen=True)
class Budget:
    """Expected test score of the setting that validation chooses among B random ones."""

    key: str = "budget"
    title: str = "Best of a few random settings"
    question: str = "How much does a small random search bring, and where do the losses cross?"

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()] if has_design(table, SOBOL) and is_validated(table) else []

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> BudgetNumbers:
        look, curves, sign = looks(facts_of(table).losses), [], facts_of(table).sign
        for loss in losses_of(table):
            cloud = sobol_points_of(table, loss)
            if cloud is None or len(cloud.test_HS) < 2:
                continue
            half = len(cloud.test_HS) // 2  # beyond it too few draws differ
            expected = best_of_budgets(cloud.val_HS, cloud.test_HS, range(1, half + 1))
            budgets = [b for b in BUDGETS if b <= half]
            intervals = budget_intervals(cloud.val_HS, cloud.test_HS, budgets, rng)
            at_budgets = {b: turned(interval, sign) for b, interval in zip(budgets, intervals, strict=True)}
            curves.append(BudgetCurve(loss, len(cloud.test_HS), sign * expected, at_budgets, *look[loss]))
        return BudgetNumbers(facts_of(table).title, curves, sign)

    def draw(self, info: BudgetNumbers) -> Drawing | None:
        if not info.curves:
            return None
        drawn = figure(x_title="settings tried", y_title=f"expected {info.title}<br>of the chosen one")
        for c in info.curves:
            drawn.add_scatter(
                x=list(range(1, len(c.expected) + 1)),
                y=plain(c.expected),
                mode="lines",
                line={"color": c.colour, "width": 2.5, "dash": c.dash},
                name=c.loss,
                legendgroup=c.loss,
                hovertemplate=f"{c.loss}: %{{y:.3f}} after %{{x}} settings<extra></extra>",
            )
            drawn.add_scatter(
                x=list(c.at_budgets),
                y=plain(i.value for i in c.at_budgets.values()),
                error_y=bars(list(c.at_budgets.values()), thickness=1.5, width=4),
                mode="markers",
                marker={"color": c.colour, "size": 7},
                name=c.loss,
                legendgroup=c.loss,
                showlegend=False,
                hovertemplate=f"{c.loss}, best of %{{x}}: %{{y:.3f}}<extra></extra>",
            )
        return drawn

    def rows(self, info: BudgetNumbers) -> pd.DataFrame | None:
        if not info.curves:
            return None
        budgets = [b for b in BUDGETS if any(b in c.at_budgets for c in info.curves)]
        return pd.DataFrame(
            [
                {"loss": c.loss, "settings": c.num_settings}
                | {f"best of {b}": with_interval(c.at_budgets[b]) if b in c.at_budgets else "–" for b in budgets}
                for c in info.curves
            ]
        )

    def answer(self, info: BudgetNumbers) -> str:
        if not info.curves:
            return "There are no Sobol points of a loss with hyperparameters."
        budget = max(b for c in info.curves for b in c.at_budgets)
        scores = [(c.loss, c.at_budgets[budget].value) for c in info.curves if budget in c.at_budgets]
        parts = [f"{loss} {number(value)}" for loss, value in sorted(scores, key=lambda pair: -info.sign * pair[1])]
        return (
            f"Expected of the best of {budget} random settings, chosen on validation: {', '.join(parts)}."
            f"{few_settings_warning(c.num_settings for c in info.curves)}"
        )
