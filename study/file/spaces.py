"""The space of a loss by name (ours, or `SPACE` beside a user's own `module:Class`), and ranges of settings."""

from typing import Any

from pydantic import Field, model_validator

from evenkeel.search_spaces import SPACES, Choice, Float, Int, Parameter, Space
from evenkeel.search_spaces.space import DefaultError
from evenkeel.trainables.own_code import ModuleRaised, own_module
from evenkeel.trainables.settings import Settings, look_up


def find_space(loss: str) -> Space:
    """Raises ValueError for an unknown loss or a user's module without a space."""
    if ":" in loss:
        module = loss.partition(":")[0]
        try:
            space = getattr(own_module(module), "SPACE", None)
        except (ImportError, FileNotFoundError) as error:
            raise ValueError(f"cannot import {module!r} ({error}); check the module path") from error
        except ModuleRaised as error:
            raise ValueError(f"cannot import {module!r}: {error}; correct it") from error
        if not isinstance(space, Space):
            problem = "no SPACE" if space is None else f"a SPACE that is a {type(space).__name__}"
            raise ValueError(f"{module!r} has {problem}; put a search_spaces.Space of that name beside the loss")
        return space
    return look_up("loss", loss, SPACES)


def without_null(spaces: Any) -> Any:
    """Ranges without those that a study file removes from what it extends: `spaces: null`, `spaces: {lr: null}`."""
    if isinstance(spaces, dict):
        return {name: value for name, value in spaces.items() if value is not None}
    return {} if spaces is None else spaces


class SettingRange(Settings):
    """Where a setting of the trainable may lie; its default is the study's own value of it."""

    low: float | None = Field(None, description="lowest value of a number")
    high: float | None = Field(None, description="highest value of a number")
    log: bool = Field(False, description="placed in the logarithm")
    options: list[Any] | None = Field(None, description="the values of a setting that is no number")
    symbol: str | None = Field(None, description="how a report writes it; its name if none")

    @model_validator(mode="after")
    def _one_form(self) -> "SettingRange":
        if (self.options is None) == (self.low is None or self.high is None):
            raise ValueError("give low and high, or options")
        return self

    def ends(self) -> list[Any]:
        """Values that must be valid for all to be."""
        return [self.low, self.high] if self.options is None else self.options

    def parameter(self, name: str, default: Any) -> Parameter:
        """As a space declares it. Raises ValueError for a default outside."""
        words = {"symbol": self.symbol or name, "source": "the study file"}
        low, high = self.low or 0, self.high or 0
        try:
            if self.options is not None:
                return Choice(options=tuple(self.options), default=default, **words)
            if isinstance(default, int):
                return Int(low=int(low), high=int(high), default=default, **words)
            return Float(low=float(low), high=float(high), default=default, log=self.log, **words)
        except DefaultError as error:
            raise ValueError(f"the study's own value of {name} {error.problem}") from error
