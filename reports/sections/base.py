"""What a section of the report is: one question, its numbers, one figure, one table, one sentence of answer."""

from typing import Any, Protocol, Self

import numpy as np
import pandas as pd

from evenkeel.reports.figures.drawing import Drawing


class Section(Protocol):
    """All numbers come from `compute`, which is tested; `draw`, `rows` and `answer` only show them."""

    @property
    def key(self) -> str:
        """Short and unique: part of the page's anchors."""
        ...

    @property
    def title(self) -> str: ...

    @property
    def question(self) -> str: ...

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> Any: ...

    def draw(self, info: Any) -> Drawing | None:
        """None when there is nothing to draw."""
        ...

    def rows(self, info: Any) -> pd.DataFrame | None:
        """None when there is nothing to list. `attrs["more"]` names the first column of those that are folded away."""
        ...

    def answer(self, info: Any) -> str:
        """Sentences, a line each. Behind a blank line stand those that say a figure or table in words."""
        ...


class StudySection(Section, Protocol):
    """A section of the page of one study."""

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        """The sections of this kind that this study asks for: none, one, or one a hyperparameter."""
        ...
