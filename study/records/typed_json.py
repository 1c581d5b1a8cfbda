"""Dataclasses from JSON, strictly: the one way in which records and facts are read."""

import json
import re
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, partial
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    create_model,
)

from evenkeel.study.plain_text import visible

T = TypeVar("T")
SURROGATES: dict[type, re.Pattern[Any]] = {bytes: re.compile(rb"\\u[dD]"), str: re.compile(r"\\u[dD]")}
MAX_INT = 2**53
"""What is larger is no number of another program: floats skip some."""
STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


def parse_json(content: bytes | str) -> Any:
    """What JSON says, in Unicode. Raises ValueError for anything else, also for what Python finds nested too deeply."""
    try:
        value = json.loads(content)
        return in_unicode(value) if SURROGATES[type(content)].search(content) else value
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def in_unicode(value: Any) -> Any:
    """The value with `?` for what no text may hold, half a pair of surrogates (of a file's name that is no Unicode)."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {in_unicode(key): in_unicode(item) for key, item in value.items()}
    return [in_unicode(item) for item in value] if isinstance(value, list) else value


def read_as(cls: type[T], contents: Any) -> T:
    """The dataclass that JSON values describe, with dataclasses and tuples within it.

    Raises ValueError, naming the place, for unknown and missing fields, and for values of other types.
    """
    kind: Any = cls
    try:
        read: T = _reader(kind).validate_python(contents)
        return read
    except ValidationError as error:
        first = error.errors()[0]
        place = visible(".".join(map(str, first["loc"])) or cls.__name__)
        raise ValueError(f"not what was recorded ({place}: {first['msg']})") from error


@cache
def _reader(cls: type) -> TypeAdapter[Any]:
    return TypeAdapter(_in_json(cls))


def _in_json(hint: Any) -> Any:
    """A type as JSON has it, turned back: an object for a dataclass, a list for a tuple."""
    if is_dataclass(hint):
        return Annotated[_model(hint), AfterValidator(partial(_make, hint))]
    if hint is int:
        return Annotated[int, Field(ge=-MAX_INT, le=MAX_INT)]
    parts, kind = tuple(map(_in_json, get_args(hint))), get_origin(hint)
    if kind is tuple:
        return Annotated[list[parts[0]], BeforeValidator(_listed), AfterValidator(tuple)]  # type: ignore[valid-type]
    if kind in (Union, UnionType):
        return Union[parts]  # noqa: UP007
    return kind[parts] if kind in (dict, list) else hint


def _listed(value: Any) -> Any:
    """A tuple is what a list becomes: it is not written and read again before it is looked at."""
    return list(value) if isinstance(value, tuple) else value


def _model(cls: Any) -> type[BaseModel]:
    hints = get_type_hints(cls)
    kinds: dict[str, Any] = {
        f.name: (_in_json(hints[f.name]), ... if f.default is f.default_factory is MISSING else None)
        for f in fields(cls)
    }
    return create_model(cls.__name__, __config__=STRICT, **kinds)


def _make(cls: Any, values: BaseModel) -> Any:
    return cls(**{name: getattr(values, name) for name in values.model_fields_set})
