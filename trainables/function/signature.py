"""What a training function takes: read from its signature, so that it need import nothing of ours."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.own_code import own_object

SUPPLIED = ("seed", "loss", "data", "rows", "device", "checkpoint_dir", "report")
"""Arguments that evenkeel makes, for a function that names them."""
DEFERRED = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
"""Functions that return nothing when they are called."""
BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class Signature:
    """The parameters of a training function: those that evenkeel supplies, and those that a study sets.

    `defaults` are the values that the function itself gives, `required` the settings without one; `open` says that it
    takes any further setting (`**settings`). `loss_by_name`: its `loss` is annotated as a text.
    """

    reference: str
    supplied: tuple[str, ...]
    defaults: dict[str, Any]
    required: tuple[str, ...]
    open: bool
    loss_by_name: bool

    def takes(self, name: str) -> bool:
        """Whether a setting of that name can be passed."""
        return self.open or name in self.defaults or name in self.required

    def arguments(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Those of `settings` that it takes. Raises TrainableError when one without a default is not there."""
        self.check(settings)
        return {name: value for name, value in settings.items() if self.takes(name)}

    def check(self, names: Iterable[str]) -> None:
        """Raises TrainableError unless every setting without a default is named."""
        missing = [name for name in self.required if name not in set(names)]
        if missing:
            raise TrainableError(
                f"{self.reference} needs {', '.join(missing)}: give a default in its signature, or a value under "
                f"trainable: {{name: {self.reference}, {missing[0]}: ...}}"
            )


def is_function(reference: Any) -> bool:
    """Whether `file.py:name` or `module:name` means a function, not a class. Raises ValueError when it is not there."""
    if not isinstance(reference, str) or ":" not in reference:
        return False
    return not inspect.isclass(own_object("trainable", reference))


def training_function(reference: str) -> Callable[..., Any]:
    """The function itself. Raises ValueError for anything that cannot be called."""
    function = own_object("training function", reference)
    if not callable(function):
        raise ValueError(f"training function {reference!r}: must be a function, got {type(function).__name__}")
    return function


def signature_of(reference: str) -> Signature:
    """Raises ValueError for a function that is not there, or whose arguments cannot be passed by name."""
    function = training_function(reference)
    if any(is_kind(function) for is_kind in DEFERRED):
        raise ValueError(f"training function {reference!r}: must return its scores; write a plain def without yield")
    parameters = inspect.signature(function).parameters
    for name, parameter in parameters.items():
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            raise ValueError(
                f"training function {reference!r}: takes *{name}, which has no names; name its parameters (a decorator "
                "keeps them by functools.wraps)"
            )
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise ValueError(f"training function {reference!r}: {name} must be passed by position; name it plainly")
    named = {name: p for name, p in parameters.items() if p.kind in BY_NAME}
    settings = {name: p for name, p in named.items() if name not in SUPPLIED}
    return Signature(
        reference,
        supplied=tuple(name for name in named if name in SUPPLIED),
        defaults={name: p.default for name, p in settings.items() if p.default is not inspect.Parameter.empty},
        required=tuple(name for name, p in settings.items() if p.default is inspect.Parameter.empty),
        open=len(named) < len(parameters),
        loss_by_name="loss" in named and named["loss"].annotation in (str, "str"),
    )
