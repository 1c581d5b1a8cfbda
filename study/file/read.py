"""From YAML to a checked study: presets, `extends`, `--set`, and messages that say what to do."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from evenkeel.study.errors import UserError
from evenkeel.study.file.header import StudyHeader
from evenkeel.study.file.losses import LossEntry
from evenkeel.study.file.methods import MethodEntry
from evenkeel.study.file.study import StudyConfig
from evenkeel.study.file.text import read_yaml
from evenkeel.trainables.errors import nearest, shown
from evenkeel.trainables.settings import Written, at_home

M = TypeVar("M", StudyConfig, StudyHeader)
PLAIN = {
    "list_type": "must be a list, as [a, b]",
    "dict_type": "must be a mapping of keys to values, as {key: value}",
    "model_type": "must be a mapping of keys to values, as {key: value}",
    "model_attributes_type": "must be a mapping of keys to values, as {key: value}",
    "string_pattern_mismatch": "must begin with a letter or digit, and hold only those, dots, dashes and underscores",
}
"""What pydantic says in its own terms."""

ENTRY_KEYS = {*LossEntry.model_fields, *MethodEntry.model_fields}
"""What `--set losses.asl.KEY=` may name besides a hyperparameter, which it fixes."""

MAX_STUDY_BYTES = 500_000
"""Of a study file: what a person writes is a hundredth, and YAML is read slowly."""
MAX_SHOWN = 100
"""Characters of a value that a message shows."""

PRESETS = Path(__file__).parent.parent / "presets"


def load_study(name: str, overrides: list[str] | None = None, changes: Mapping[str, Any] | None = None) -> StudyConfig:
    """Read a study file or preset, follow `extends`, apply `key=value` overrides and `changes` by dotted key, validate.

    A relative path is meant from the folder of the file that writes it; in an override or a preset, from the working
    folder. Raises UserError with one line per problem, each naming file and key.
    """
    path, values = _written_in(name, overrides or [])
    for key, value in (changes or {}).items():
        _set(values, key, value)
    return _checked(StudyConfig, path, values)


def check_study(contents: dict[str, Any]) -> StudyConfig:
    """A study written in Python: the keys of a study file, `extends` among them. Raises UserError as `load_study`."""
    return _checked(StudyConfig, Path("evenkeel.Study"), _extended(contents, Path.cwd() / "evenkeel.Study", ()))


def load_study_header(name: str, overrides: list[str]) -> StudyHeader:
    """The little of a study file that reading its records needs; what else it holds is not looked at, and code that it
    names is not imported. Raises as `load_study` does."""
    path, values = _written_in(name, overrides)
    return _checked(StudyHeader, path, {key: values[key] for key in StudyHeader.model_fields if key in values})


def _written_in(name: str, overrides: list[str]) -> tuple[Path, dict[str, Any]]:
    """The file of a study, and what is written there and in the overrides."""
    path = find_study(name)
    values = _read(path, ())
    for override in overrides:
        _override(values, override)
    return path, values


def _checked(model: type[M], path: Path, values: dict[str, Any]) -> M:
    try:
        checked = model.model_validate(values)
        return model.model_validate(checked.model_dump(mode="json"))  # every text a plain one again
    except ValidationError as error:
        lines = "\n".join(f"  {line}" for line in _lines(error))
        raise UserError(f"{path}: the study is not valid\n{lines}") from error


def find_study(name: str) -> Path:
    """The file of a preset's name or path."""
    path = at_home(name)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            hint = "; study files are read from this machine" if "://" in name else ""
            raise UserError(f"{name}: no such study file{hint}")
        return path.resolve()
    preset = PRESETS / f"{name}.yaml"
    if preset.is_file():
        return preset
    names = [p.stem for p in PRESETS.glob("*.yaml")]
    raise UserError(f"{name!r} is neither a study file (*.yaml) nor a preset; {nearest(name, names)}")


def read_values(path: Path) -> dict[str, Any]:
    """What a study file says, with what it extends laid under it, as plain YAML values. Raises UserError."""
    return json.loads(json.dumps(_read(path, ())))


def _read(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    if path in above:
        raise UserError(f"{path}: extends itself by way of {' -> '.join(p.name for p in above)}")
    try:
        if (size := path.stat().st_size) > MAX_STUDY_BYTES:
            raise UserError(f"{path}: a study file of {size:,} bytes; at most {MAX_STUDY_BYTES:,}")
        values = read_yaml(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); make it readable") from error
    if not isinstance(values, dict):
        raise UserError(f"{path}: a study file is a mapping of keys to values, got {type(values).__name__}")
    return _extended(values, path, above)


def _extended(contents: dict[str, Any], path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """`contents` as written in `path`, laid over what it extends."""
    values = _written(contents, Path.cwd() if path.parent == PRESETS else path.parent)
    base = values.pop("extends", None)
    if base is None:
        return values
    sibling = path.parent / str(base)
    return merge(_read(sibling if sibling.is_file() else find_study(str(base)), (*above, path)), values)


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it, mapping by mapping; lists and values are replaced, null removes."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _written(value: object, folder: Path) -> Any:
    """The value with every text knowing the folder of its file."""
    if isinstance(value, dict):
        return {key: _written(item, folder) for key, item in value.items()}
    if isinstance(value, list):
        return [_written(item, folder) for item in value]
    return Written(value, folder) if isinstance(value, str) else value


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise UserError(f"--set {override!r}: must be key=value, for example --set seeds=3")
    _set(values, key, _value(override, text))


def _set(values: dict[str, Any], key: str, value: object) -> None:
    """Set a dotted key; mappings that are not there yet are made."""
    *parents, last = key.strip().split(".")
    if parents[:1] in (["losses"], ["methods"]) and isinstance(values.get(parents[0]), list) and len(parents) > 1:
        values, parents = _entry(values, parents[0], parents[1]), parents[2:]
        parents = parents if parents or last in ENTRY_KEYS else ["fixed"]
    for parent in parents:
        if not isinstance(values.get(parent), dict):
            values[parent] = {}
        values = values[parent]
    values[last] = _written(value, Path.cwd())


def _entry(values: dict[str, Any], key: str, name: str) -> dict[str, Any]:
    """The entry of a loss or method by its label or name, as a mapping that can be changed. Raises UserError."""
    entries = [{"loss": entry} if isinstance(entry, str) else dict(entry) for entry in values[key]]
    names = [str(entry.get("label") or entry.get("name") or entry.get("loss")) for entry in entries]
    if name not in names:
        raise UserError(f"--set {key}.{name}: no entry of {key} has that label; {nearest(name, names)}")
    values[key] = entries
    return entries[names.index(name)]


def _value(override: str, text: str) -> Any:
    """What an override sets. Raises UserError for text that is no YAML, or that YAML reads as nothing."""
    way = f"quote it twice, as in --set 'KEY=\"{text}\"'"
    try:
        value = read_yaml(text)
    except ValueError as error:
        raise UserError(f"--set {override!r}: {text!r} is not valid YAML ({error}); {way}") from error
    if value in (None, "", [None]) and text.strip(" '\"") not in ("", "null", "Null", "NULL", "~") or text.isspace():
        raise UserError(f"--set {override!r}: {text!r} reads as nothing in YAML; {way}")
    return value


def _lines(error: ValidationError, prefix: tuple[int | str, ...] = ()) -> Iterator[str]:
    """One line a problem: the dotted key, the rule, and the value where that says more."""
    for problem in error.errors():
        location = (*prefix, *problem["loc"])
        inner = problem.get("ctx", {}).get("error")
        if isinstance(inner, ValidationError):
            yield from _lines(inner, location)
            continue
        message, value = problem["msg"].removeprefix("Value error, "), problem.get("input")
        message = PLAIN.get(problem["type"], message)
        if problem["type"] == "string_type":
            yield f"{'.'.join(map(str, location))}: must be a text, got {shown(value, MAX_SHOWN)}; put it in quotes"
            continue
        plain = isinstance(value, dict | list) or problem["type"] == "value_error"
        text = message if plain else f"{message}, got {shown(value, MAX_SHOWN)}"
        yield f"{'.'.join(map(str, location))}: {text}" if location else text
