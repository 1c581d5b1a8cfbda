"""What the settings of a search must obey besides their ranges: `gamma_neg >= gamma_pos`, `clip < 0.2`."""

import operator
import random
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from evenkeel.search_spaces.space import Space

COMPARISONS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
FORM = re.compile(r"\s*([^\s<>=]+)\s*(<=|>=|<|>)\s*([^\s<>=]+)\s*")
NUM_TRIED = 1000
"""Settings that are drawn to see whether any obeys."""


@dataclass(frozen=True)
class Constraint:
    """`left` and `right` are each the name of a hyperparameter or a number, `sign` is <=, >=, < or >."""

    left: str | float
    sign: str
    right: str | float

    @classmethod
    def parse(cls, text: str) -> "Constraint":
        """The constraint that a text such as `a >= b` or `clip < 0.2` means. Raises ValueError for another form."""
        if (match := FORM.fullmatch(text)) is None:
            raise ValueError(f"must compare two hyperparameters, or one with a number, as a >= b; got {text!r}")
        return cls(_side(match[1]), match[2], _side(match[3]))

    @property
    def names(self) -> list[str]:
        """The hyperparameters that it compares."""
        return [side for side in (self.left, self.right) if isinstance(side, str)]

    def holds(self, setting: Mapping[str, Any]) -> bool:
        """Whether a setting, whose values that are compared are numbers, obeys; one that lacks such a value does."""
        if any(name not in setting for name in self.names):
            return True
        left, right = (setting[side] if isinstance(side, str) else side for side in (self.left, self.right))
        return bool(COMPARISONS[self.sign](left, right))


def _side(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def obeys(constraints: Collection[Constraint], setting: Mapping[str, Any]) -> bool:
    """Whether a setting obeys all of them."""
    return all(constraint.holds(setting) for constraint in constraints)


def is_possible(constraints: Collection[Constraint], space: Space, fixed: Mapping[str, Any]) -> bool:
    """Whether any of NUM_TRIED random settings of a space, beside what is fixed, obeys; the same ones every time."""
    rng = random.Random(0)
    drawn = ({name: p.at(rng.random()) for name, p in space.parameters.items()} for _ in range(NUM_TRIED))
    return any(obeys(constraints, {**fixed, **setting}) for setting in drawn)
