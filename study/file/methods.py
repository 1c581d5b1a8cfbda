"""One training function, or one way of calling it, as a study compares it beside others."""

from typing import Any

from pydantic import Field, model_validator

from evenkeel.search_spaces import Space
from evenkeel.study.file.labels import Label
from evenkeel.study.file.spaces import SettingRange
from evenkeel.trainables.errors import nearest
from evenkeel.trainables.function.signature import Signature, signature_of
from evenkeel.trainables.settings import Settings


class MethodEntry(Settings):
    """One method as the study shows it: a training function, what is fixed of its parameters and what varies."""

    name: Label = Field(description="how the study shows it")
    function: str = Field(description="`file.py:function` or `module:function`; the trainable's if none")
    fixed: dict[str, Any] = Field({}, description="values of parameters that do not vary")
    spaces: dict[str, SettingRange] = Field({}, description="parameters that vary for this method alone")
    levels: dict[str, list[Any]] = Field({}, description="sweep levels of a parameter, in place of placed ones")

    @model_validator(mode="after")
    def _within_signature(self) -> "MethodEntry":
        signature = signature_of(self.function)
        for key in ("fixed", "spaces"):
            for name in getattr(self, key):
                if not signature.takes(name):
                    hint = nearest(name, [*signature.defaults, *signature.required])
                    raise ValueError(f"{key}.{name}: {self.function} takes no {name!r}; {hint}")
        for name in self.spaces:
            if name in self.fixed:
                raise ValueError(f"spaces.{name}: is fixed at {self.fixed[name]!r}; leave it out of one of the two")
            if name not in signature.defaults:
                raise ValueError(f"spaces.{name}: {self.function} gives {name} no default; give it one")
        if unknown := next((name for name in self.levels if name not in self.spaces), None):
            raise ValueError(f"levels.{unknown}: {unknown} is not among the method's spaces")
        self.space()  # a default outside its range is refused
        return self

    @property
    def label(self) -> str:
        """How the study shows it."""
        return self.name

    @property
    def loss(self) -> str:
        """What a trial of it is known by, as by the name of a loss."""
        return self.function

    @property
    def signature(self) -> Signature:
        """What its function takes."""
        return signature_of(self.function)

    def space(self) -> Space:
        """What varies for this method alone."""
        defaults = self.signature.defaults
        return Space({name: span.parameter(name, defaults[name]) for name, span in self.spaces.items()})

    def departures(self) -> dict[str, Any]:
        """Nothing was published of a function of the user's."""
        return {}

    def setting(self, **moved: Any) -> dict[str, Any]:
        """What is fixed, and what varies for this method alone: defaults, then `moved`, of their parameters' types."""
        space = self.space()
        return self.fixed | {name: space.typed(name, value) for name, value in (space.defaults() | moved).items()}
