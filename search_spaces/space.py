"""Plain data that say what may vary: ranges, scales, published defaults, symbols, sources."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard


class DefaultError(ValueError):
    """A default that its range does not hold; `problem` says why."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"default {problem}")
        self.problem = problem


@dataclass(frozen=True, kw_only=True)
class Float:
    """A real hyperparameter in [low, high], both included; levels are even in it, or in its logarithm when `log`.

    `default` is the published value, which every other one is compared with; `symbol` is what the paper calls it
    ("γ+"), `source` where the default stands ("ASL, section 3.2"). Raises ValueError for an empty range and for `log`
    with low <= 0, DefaultError, which is one, for a default outside.
    """

    low: float
    high: float
    default: float
    symbol: str
    source: str
    log: bool = False

    def __post_init__(self) -> None:
        if not all(map(_is_finite, (self.low, self.high))) or not self.low < self.high:
            raise ValueError(f"low must be < high, two finite numbers, got {self.low!r} and {self.high!r}")
        if self.log and self.low <= 0:
            raise ValueError(f"a log range needs low > 0, got {self.low}")
        _check_default(self)

    @property
    def span(self) -> tuple[object, ...]:
        """What two losses must agree in to be swept over the same levels."""
        return self.low, self.high, self.log

    def problem(self, value: object) -> str | None:
        """What is wrong with `value`, or None."""
        if not _is_finite(value):
            return f"must be a finite number, got {value!r}"
        if not self.low <= value <= self.high:
            return f"must lie in [{self.low:g}, {self.high:g}], got {value:g}"
        return None

    def typed(self, value: float) -> float:
        """`value` as a real number, so that 4 and 4.0 are one setting. Raises ValueError for what is no number."""
        return float(value)

    def at(self, share: float) -> float:
        """The value at `share` in [0, 1] of the range."""
        if self.log:
            return math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        return self.low + share * (self.high - self.low)

    def levels(self, num: int, extra_levels: Iterable[float] = ()) -> list[float]:
        """`num` evenly placed levels through the default and through `extra_levels`, the defaults of other losses: the
        level nearest to each is replaced by it. Rounded to six digits, in order."""
        placed = [float(f"{self.at(i / (num - 1)):.6g}") for i in range(num)] if num > 1 else []
        return _through(placed, {self.default, *extra_levels}, math.log if self.log else float)


@dataclass(frozen=True, kw_only=True)
class Int:
    """A whole-number hyperparameter in [low, high], both included; `default`, `symbol` and `source` as of Float.

    Raises ValueError for an empty range and for ends that are not whole, DefaultError for a default outside.
    """

    low: int
    high: int
    default: int
    symbol: str
    source: str

    def __post_init__(self) -> None:
        if not (type(self.low) is type(self.high) is int and self.low < self.high):
            raise ValueError(f"low must be < high, two whole numbers, got {self.low!r} and {self.high!r}")
        _check_default(self)

    @property
    def span(self) -> tuple[object, ...]:
        """What two losses must agree in to be swept over the same levels."""
        return self.low, self.high, int

    def problem(self, value: object) -> str | None:
        """What is wrong with `value`, or None."""
        if isinstance(value, bool) or not isinstance(value, int):
            return f"must be a whole number, got {value!r}"
        if not self.low <= value <= self.high:
            return f"must lie in [{self.low}, {self.high}], got {value}"
        return None

    def typed(self, value: float) -> int:
        """`value` as a whole number, so that 4.0 and 4 are one setting. Raises ValueError for a broken number."""
        if int(value) != value:
            raise ValueError(f"must be a whole number, got {value!r}")
        return int(value)

    def at(self, share: float) -> int:
        """The value at `share` in [0, 1) of the range."""
        return min(self.high, self.low + int(share * (self.high - self.low + 1)))

    def levels(self, num: int, extra_levels: Iterable[int] = ()) -> list[int]:
        """At most `num` evenly placed whole numbers in order, through the default and `extra_levels`, as of Float."""
        step = (self.high - self.low) / max(1, num - 1)
        placed = sorted({round(self.low + i * step) for i in range(num)}) if num > 1 else []
        return _through(placed, {self.default, *extra_levels})


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A hyperparameter that takes one of `options`, without order: a sweep tries all of them, `default` is one of them.

    `symbol` and `source` are those of Float. Raises ValueError for an option that is no number, text, truth or None,
    DefaultError for a default that is no option.
    """

    options: tuple[Any, ...]
    default: Any
    symbol: str
    source: str

    def __post_init__(self) -> None:
        if odd := [option for option in self.options if not isinstance(option, str | int | float | None)]:
            raise ValueError(f"options must be numbers, texts, truths or None, got {odd[0]!r}")
        _check_default(self)

    @property
    def span(self) -> tuple[object, ...]:
        """What two losses must agree in to be swept over the same levels."""
        return self.options

    def problem(self, value: object) -> str | None:
        """What is wrong with `value`, or None."""
        if value in self.options:
            return None
        return f"must be one of {', '.join(map(repr, self.options))}, got {value!r}"

    def typed(self, value: object) -> Any:
        """The option that equals `value`: 1 for 1.0. Raises ValueError when there is none."""
        if problem := self.problem(value):
            raise ValueError(problem)
        return self.options[self.options.index(value)]

    def at(self, share: float) -> Any:
        """The option at `share` in [0, 1) of the list."""
        return self.options[min(len(self.options) - 1, int(share * len(self.options)))]

    def levels(self, num: int, extra_levels: Iterable[Any] = ()) -> list[Any]:
        """All options, whatever else is asked for."""
        return list(self.options)


Parameter = Float | Int | Choice


def _check_default(parameter: Parameter) -> None:
    """Raises DefaultError for a default that the range does not hold."""
    if problem := parameter.problem(parameter.default):
        raise DefaultError(problem)


def _is_finite(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _through(placed: list, defaults: set, scale: Callable[[float], float] = float) -> list:
    """`placed` with the element nearest to each default on `scale` replaced by it, so that the level count is kept."""
    levels = list(placed)
    for default in sorted(defaults):
        free = [level for level in levels if level not in defaults]
        if default in levels:
            continue
        if free:
            levels.remove(min(free, key=lambda level: abs(scale(level) - scale(default))))
        levels.append(default)
    return sorted(levels)


@dataclass(frozen=True)
class Space:
    """What may vary of one loss: `parameters` by the names of the loss's fields, as `{"gamma": Float(...)}`.

    `constants` are further fields, with their published values: a study may fix them, nothing varies them. `one_label`:
    the loss is made for data with exactly one label an image.
    """

    parameters: dict[str, Parameter]
    constants: dict[str, Any] = field(default_factory=dict)
    one_label: bool = False

    def defaults(self) -> dict[str, Any]:
        """The published value of every field."""
        return {name: p.default for name, p in self.parameters.items()} | self.constants

    def typed(self, name: str, value: Any) -> Any:
        """`value` of the hyperparameter or constant `name` by its type; a constant that is a number is a real one."""
        if name in self.parameters:
            return self.parameters[name].typed(value)
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

    def without(self, names: set[str]) -> "Space":
        """The space that is left when some hyperparameters are fixed."""
        return replace(self, parameters={n: p for n, p in self.parameters.items() if n not in names})
