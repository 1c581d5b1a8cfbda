"""What a study file may say about a part of a trial: frozen models, checked before anything starts. No torch here."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic.fields import FieldInfo

from evenkeel.trainables.errors import nearest
from evenkeel.trainables.own_code import own_object

NUMBERS = (int, float, int | None, float | None)
"""Where pydantic would take true for 1."""


class Settings(BaseModel):
    """The base of every model of the study file: frozen; unknown keys are refused with the nearest valid one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for key, value in values.items():
                if key not in cls.model_fields:
                    raise ValueError(f"unknown key {key!r}; {nearest(str(key), cls.model_fields)}")
                if isinstance(value, bool) and cls.model_fields[key].annotation in NUMBERS:
                    raise ValueError(f"{key} must be a number, got {str(value).lower()}")
        return values

    def with_changes(self, changes: dict[str, Any]) -> Self:
        """These settings with some changed, as a trial changes them. Raises pydantic's ValidationError."""
        return type(self).model_validate(self.model_dump() | changes)


PLACE = "place"
"""Marks a field, `Annotated[str, PLACE]`, that says where files lie: it is no part of a result."""

SWITCH = "switch"
"""Marks a field that came after the first version: part of an identity only when it is not at its default."""


class Written(str):
    """Text of a study file that knows the folder against which a path in it is meant."""

    folder: Path

    def __new__(cls, text: str, folder: Path) -> "Written":
        written = super().__new__(cls, text)
        written.folder = folder
        return written


def at_home(text: str) -> Path:
    """A path with `~` resolved; one of a user that is not known stays as it is written."""
    return Path(os.path.expanduser(text))


def _absolute(value: Any) -> Any:
    if isinstance(value, str) and (not value.strip() or "\0" in value):
        raise ValueError(f"must be a path, got {value!r}; leave the key out where there is none")
    if isinstance(value, Written) and "://" not in value:
        return str(value.folder / at_home(value))
    return value


def _local(value: Any) -> Any:
    if isinstance(value, str) and "://" in value:
        raise ValueError(f"must be a path of this machine, got {value!r}; download it, or mount it as a folder")
    return _absolute(value)


PathText = Annotated[str, BeforeValidator(_local), PLACE]
"""A path as a study file writes it; made absolute once, on the driver."""

UrlText = Annotated[str, BeforeValidator(_absolute), PLACE]
"""A path, or the URL of an object store."""


def places(settings: BaseModel, prefix: str = "") -> list[str]:
    """The dotted names of all fields marked PLACE, those of inner models included."""
    names = []
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if is_place(field):
            names.append(f"{prefix}{name}")
        if isinstance(value, BaseModel):
            names += places(value, f"{prefix}{name}.")
    return names


def is_place(field: FieldInfo) -> bool:
    """Whether a field is marked PLACE."""
    members = getattr(field.annotation, "__args__", ())  # of `PathText | None`
    return PLACE in field.metadata or any(PLACE in getattr(member, "__metadata__", ()) for member in members)


def decisive(settings: BaseModel) -> dict[str, Any]:
    """What of the settings decides a result, for an identity: no place, and no SWITCH that is not set."""
    contents = settings.model_dump(mode="json")
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if is_place(field) or (SWITCH in field.metadata and value == field.get_default()):
            del contents[name]
        elif isinstance(value, BaseModel):
            contents[name] = decisive(value)
        elif isinstance(value, list):
            inner = contents[name]
            contents[name] = [decisive(v) if isinstance(v, BaseModel) else inner[n] for n, v in enumerate(value)]
    return contents


def look_up(kind: str, name: str, registry: Mapping[str, Any]) -> Any:
    """The member of `registry` called `name`, or a user's own, written `module:Name` or `file.py:Name`.

    Raises ValueError, naming the `kind` that is looked for and the nearest valid name, when there is none.
    """
    if ":" in name:
        return own_object(kind, name)
    if name not in registry:
        raise ValueError(f"unknown {kind} {name!r}; {nearest(name, registry)}")
    return registry[name]


def make_settings(kind: str, settings: Any, registry: Mapping[str, Any]) -> Any:
    """The model of `registry` (or a user's own) that `settings["name"]` names, made of `settings`.

    Raises ValueError; pydantic's ValidationError for a wrong key or value.
    """
    if isinstance(settings, Settings):
        return settings
    if not isinstance(settings, dict) or not isinstance(settings.get("name"), str):
        raise ValueError(f"give a name, one of {', '.join(registry)}, or file.py:function or module:Class of your own")
    model = look_up(kind, settings["name"], registry)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        function = "a function or " if kind == "trainable" else ""
        raise ValueError(
            f"{settings['name']!r} must be {function}a class of settings, a pydantic model, to be a {kind}"
        )
    return model.model_validate(settings)
