"""The keys of a study file as tables, made from the models: what docs/study_files.md shows between its marks."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from evenkeel.study.file.study import StudyConfig
from evenkeel.trainables import TRAINABLES
from evenkeel.trainables.data import DATA_SETS

BEGIN, END = "<!-- keys: made by `evenkeel presets --keys`, do not edit -->", "<!-- end of keys -->"


def render_keys() -> str:
    """Every key: of the study, then of each trainable, then of each data set."""
    parts = [*_section("The study", StudyConfig, skip=("data", "trainable"))]
    members: dict[str, Any]
    for key, members in (("trainable", TRAINABLES), ("data", DATA_SETS)):
        for name, kind in members.items():
            parts += _section(f"`{key}: {{name: {name}}}`", kind, skip=("name", "vary"))
    return "\n".join(parts).strip() + "\n"


def replace_tables(text: str) -> str:
    """`text` of the document with its tables made anew."""
    before, _, tail = text.partition(BEGIN)
    _, _, after = tail.partition(END)
    return f"{before}{BEGIN}\n\n{render_keys()}\n{END}{after}"


def _section(title: str, model: Any, skip: tuple[str, ...]) -> list[str]:
    words = " ".join((model.__doc__ or "").split("\n\n")[0].split())
    rows = [row for row in _rows(model, "") if row[0].partition(".")[0] not in skip]
    table = [f"| `{key}` | {kind} | {default} | {text} |" for key, kind, default, text in rows]
    head = ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]
    return [f"### {title}", "", words, "", *(head + table if table else ["It has no keys."]), ""]


def _rows(model: Any, place: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in model.model_fields.items():
        inner = _models(field.annotation)
        default = "" if field.default is PydanticUndefined else _shown(field.default)
        words = field.description or (" ".join((inner[0].__doc__ or "").split("\n\n")[0].split()) if inner else "")
        yield f"{place}{name}", _kind(field.annotation), default, words.replace("|", "or")
        for kind in inner:
            yield from _rows(kind, f"{place}{name}{_many(field.annotation)}.")


def _shown(value: object) -> str:
    if isinstance(value, BaseModel):
        return ""
    return "none" if value is None else f"`{json.dumps(value, default=str)}`"


def _models(annotation: Any) -> list[Any]:
    """The settings models that an annotation holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _many(annotation: Any) -> str:
    kinds = {get_origin(annotation), *(get_origin(part) for part in get_args(annotation) if _models(part))}
    return "[]" if list in kinds else ".NAME" if dict in kinds and _models(annotation) else ""


def _kind(annotation: Any) -> str:
    """An annotation in words."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_kind(part) for part in parts if part is not type(None)))
    if origin is list or origin is tuple:
        return f"list of {_kind(parts[0])}"
    if origin is dict:
        return f"mapping to {_kind(parts[1])}"
    if parts and hasattr(annotation, "__metadata__"):
        return _kind(parts[0])
    names = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "Any": "any value"}
    name = getattr(annotation, "__name__", str(annotation))
    return "mapping" if _models(annotation) else names.get(name, name)


def main() -> None:
    """Write the tables into docs/study_files.md."""
    path = Path(__file__).resolve().parents[2] / "docs" / "study_files.md"
    path.write_text(replace_tables(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
