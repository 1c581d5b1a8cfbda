"""Settings that data sets share."""

from abc import abstractmethod
from typing import Any, Literal

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from evenkeel.trainables.data.summary import DataSummary
from evenkeel.trainables.settings import Settings, decisive

NO_VALIDATION = "none"
ALL_ROWS = "`none`: all rows that are not test train, and nothing can be chosen"
"""What a field says of `validation: none`."""
WAYS_OUT = "data.validation: {fraction: 0.2}, or validation: none, which trains on all rows that are not test"
"""Where there are no validation rows."""


class Validation(Settings):
    """Validation rows carved from train, class by class; with `per_seed` each seed draws its own."""

    fraction: float = Field(0.2, ge=0, lt=0.9, description="share of the rows; 0: none")
    per_seed: bool = Field(True, description="whether each seed carves its own")

    @model_validator(mode="before")
    @classmethod
    def _none(cls, value: Any) -> Any:
        """Without validation rows nothing differs from seed to seed."""
        none = value == NO_VALIDATION or (isinstance(value, dict) and value.get("fraction") == 0)
        return {"fraction": 0, "per_seed": False} if none else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [handler(core_schema), {"const": NO_VALIDATION}]}


def without_validation(validation: Validation | None) -> bool:
    """Whether a study says that it has no validation rows; None is the official split."""
    return validation is not None and not validation.fraction


class Sampling(Settings):
    """Rows with rare classes are drawn more often, with replacement (LM-CLIP paper, section III.D, in either form)."""

    form: Literal["printed", "published"] = Field(description="the formula of the weights")
    s: float = Field(1.35, ge=0, le=2, description="its exponent")


class ClassGroups(Settings):
    """Where head, medium and tail classes are cut; a trainable's settings derive from it."""

    head_min: int = Field(100, description="a head class has at least so many training positives")
    tail_below: int = Field(20, description="a tail class has fewer training positives")


class DataSettings(Settings):
    """The base of a data set's settings: its identity is made of its fields and its fingerprint."""

    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of the contents, not of where they lie."""

    @property
    def softmax(self) -> bool:
        """Whether losses that let classes compete may be used where every image has one label."""
        return True

    @property
    def called(self) -> str:
        """What tells one data set of this kind from another, on a page; empty where the name of the kind says it."""
        return ""

    def identity(self) -> dict[str, Any]:
        """What decides a result: the settings without places, and the fingerprint."""
        return decisive(self) | {"fingerprint": self.fingerprint()}

    def describe(self) -> DataSummary | None:
        """What was understood of the files, cheaply and before anything runs; None when there is nothing to say."""
        return None
