"""What a study file may say about a part of a trial: frozen models, checked before anything starts. No torch here."""

import importlib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from trainables.errors import nearest


class Settings(BaseModel):
    """The base of every model of the study file: frozen; unknown keys are refused with the nearest valid one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for key in values:
                if key not in cls.model_fields:
                    raise ValueError(f"unknown key {key!r}; {nearest(str(key), cls.model_fields)}")
        return values


def named(what: str, name: str, known: Mapping[str, Any]) -> Any:
    """The member of `known` called `name`, or a user's own, written `module:Name`.

    Raises ValueError, naming `what` is looked for and the nearest valid name, when there is none.
    """
    if ":" in name:
        module, _, attribute = name.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise ValueError(f"cannot load the {what} {name!r} ({error}); check the module path") from error
    if name not in known:
        raise ValueError(f"unknown {what} {name!r}; {nearest(name, known)}")
    return known[name]
