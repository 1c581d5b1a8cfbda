"""One loss as a study file names it."""

from typing import Any

from pydantic import Field, model_validator

from evenkeel.search_spaces import Parameter, Space
from evenkeel.study.file.labels import Label
from evenkeel.study.file.spaces import find_space
from evenkeel.trainables.errors import nearest
from evenkeel.trainables.settings import Settings


class LossEntry(Settings):
    """One loss as the study shows it. Fixed hyperparameters leave its space."""

    loss: str = Field(description="a name of `evenkeel losses`, or `module:Class`")
    label: Label = Field(description="how the study shows it; the loss's name if none")
    fixed: dict[str, Any] = Field({}, description="hyperparameters that do not vary")
    levels: dict[str, list[Any]] = Field({}, description="sweep levels of a hyperparameter, in place of placed ones")

    settings: dict[str, Any] = Field({}, description="settings of the trainable that this loss alone has")

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        value = {"loss": value} if isinstance(value, str) else value
        return {"label": value["loss"], **value} if isinstance(value, dict) and "loss" in value else value

    @model_validator(mode="after")
    def _within_space(self) -> "LossEntry":
        space = find_space(self.loss)
        for name, value in self.fixed.items():
            if name in space.constants:
                continue
            problem = _parameter(space, name, self.loss).problem(value)
            if problem:
                raise ValueError(f"fixed.{name} {problem}")
        for name, levels in self.levels.items():
            parameter = _parameter(space, name, self.loss)
            for level in levels:
                if problem := parameter.problem(level):
                    raise ValueError(f"levels.{name} {problem}")
        return self

    def space(self) -> Space:
        """What may vary: the loss's space without the fixed hyperparameters."""
        return find_space(self.loss).without(set(self.fixed))

    def departures(self) -> dict[str, Any]:
        """What was published of the hyperparameters that are fixed at another value."""
        published = find_space(self.loss).defaults()
        return {name: published[name] for name in self.fixed if self.setting()[name] != published[name]}

    def setting(self, **moved: Any) -> dict[str, Any]:
        """All hyperparameters, each of its parameter's type: published defaults, then the fixed ones, then `moved`."""
        space = find_space(self.loss)
        return {name: space.typed(name, value) for name, value in (space.defaults() | self.fixed | moved).items()}


def _parameter(space: Space, name: str, loss: str) -> Parameter:
    if name not in space.parameters:
        raise ValueError(f"{loss} has no hyperparameter {name!r}; {nearest(name, space.parameters)}")
    return space.parameters[name]
