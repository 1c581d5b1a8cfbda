"""What a study file says about a user's training function: its name, and values of its parameters."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, model_validator

from evenkeel.trainables.data.function_data import FunctionData
from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.data.settings import ClassGroups
from evenkeel.trainables.errors import TrainableError, nearest
from evenkeel.trainables.function.signature import Signature, signature_of
from evenkeel.trainables.measures import ALWAYS, Needs
from evenkeel.trainables.own_sources import source_fingerprint
from evenkeel.trainables.settings import SWITCH, decisive

if TYPE_CHECKING:
    from evenkeel.trainables.function.shared import Shared
    from evenkeel.trainables.function.train import FunctionWorker

PLAIN_VALUES = (bool, int, float, str, type(None), list)


class Function(ClassGroups):
    """A training function of your own, `file.py:function` or `module:function`; other keys are its parameters."""

    model_config = ConfigDict(extra="allow", frozen=True)
    gives: ClassVar[tuple[Needs, ...]] = ("scores", "returned")
    one_by_one: ClassVar[bool] = True
    name: str = Field(pattern=":", description="`file.py:function` beside the study file, or `module:function`")
    image_size: Annotated[int, SWITCH] = Field(224, ge=1, description="side of the images of a data set of ours")

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        """Values of parameters that the function has, its own defaults for the others."""
        if not isinstance(values, dict) or not isinstance(values.get("name"), str):
            raise ValueError("give a name, file.py:function or module:function")
        signature = signature_of(values["name"])
        own = {key: value for key, value in values.items() if key not in cls.model_fields}
        for key, value in own.items():
            _check(key, value, signature, reserved=hasattr(cls, key))
        settings = {key: default for key, default in signature.defaults.items() if type(default) in PLAIN_VALUES}
        return settings | values | {key: _typed(value, signature.defaults.get(key)) for key, value in own.items()}

    @property
    def signature(self) -> Signature:
        """What the function takes."""
        return signature_of(self.name)

    @property
    def parameters(self) -> dict[str, Any]:
        """The values of the function's parameters that the study sets, or the function's own defaults."""
        named = dict(self.__pydantic_extra__ or {})
        return named | ({"image_size": self.image_size} if self.signature.takes("image_size") else {})

    def check_entry(self, reference: str, settings: Collection[str], *, of_loss: bool) -> None:
        """Whether a loss, or a method that is another function, can be trained with settings of these names.

        Raises TrainableError for a function that takes no loss, lacks one, or lacks a value.
        """
        signature = self.signature if of_loss else signature_of(reference)
        if of_loss and "loss" not in signature.supplied:
            raise TrainableError(
                f"losses: {signature.reference} takes no loss, so that all would be the same; name loss in its "
                "signature, or leave losses out"
            )
        if not of_loss and "loss" in signature.supplied:
            raise TrainableError(f"methods: {signature.reference} takes a loss; name losses: [bce, asl]")
        signature.check(settings)

    def identity(self, data: DataSet) -> dict[str, Any]:
        """The values of all parameters, and the source of the function."""
        return decisive(self) | {"source": source_fingerprint(self.name)}

    def summary(self) -> dict[str, str]:
        """The function and the values of its parameters, for a report's header."""
        values = ", ".join(f"{name} {value}" for name, value in self.parameters.items())
        return {"training": f"{self.name} ({values})" if values else self.name}

    def prepared(self, data: DataSet, cache: Path) -> "Shared | None":
        """Nothing has to be made for data of the function's own."""
        from evenkeel.trainables.function.shared import Shared

        return Shared(data, cache) if isinstance(data, FunctionData) else None

    def worker(self, measures: tuple[str, ...] = ALWAYS) -> "FunctionWorker":
        """The half that computes."""
        from evenkeel.trainables.function.train import FunctionWorker

        return FunctionWorker(self, measures)


def _check(key: str, value: Any, signature: Signature, *, reserved: bool) -> None:
    if key in signature.supplied:
        raise ValueError(f"{key}: is made for each trial; leave it out")
    if not signature.takes(key):
        valid = [*signature.defaults, *signature.required]
        raise ValueError(f"{signature.reference} takes no {key!r}; {nearest(key, valid) if valid else 'leave it out'}")
    if reserved:
        raise ValueError(f"a parameter of a training function cannot be called {key!r} here; rename it")
    if type(value) not in PLAIN_VALUES and not isinstance(value, str):
        raise ValueError(f"{key} must be a number, a text or a list, got {value!r}")
    if _is_number(signature.defaults.get(key)) and not _is_number(value) and value is not None:
        raise ValueError(f"{key} must be a number, got {value!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _typed(value: Any, default: Any) -> Any:
    """A whole number as a real one where the default is real."""
    return float(value) if isinstance(default, float) and type(value) is int else value
