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


PLACE = "place"
"""Marks a field, `Annotated[str, PLACE]`, that says where files lie: it is no part of a result."""

SWITCH = "switch"
"""Marks a field that came after the first version: part of an identity only when it is not at its default."""


def places(settings: BaseModel, at: str = "") -> list[str]:
    """The dotted names of all fields marked PLACE, those of inner models included."""
    found = []
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if PLACE in field.metadata:
            found.append(f"{at}{name}")
        if isinstance(value, BaseModel):
            found += places(value, f"{at}{name}.")
    return found


def decisive(settings: BaseModel) -> dict[str, Any]:
    """What of the settings decides a result, for an identity: no place, and no SWITCH that is not set."""
    contents = settings.model_dump(mode="json")
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if PLACE in field.metadata or (SWITCH in field.metadata and value == field.get_default()):
            del contents[name]
        elif isinstance(value, BaseModel):
            contents[name] = decisive(value)
    return contents


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
