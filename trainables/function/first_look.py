"""A training function read from its source alone, nothing of it run: what a first study of it could vary."""

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.function.signature import SUPPLIED
from evenkeel.trainables.measures import METRICS

NOT_SWEPT = re.compile(
    r"epochs?|batch(_size)?|.*steps?|.*iter(ation)?s?|.*workers|n_jobs|verbose|patience|image_size|.*seed"
)
SHARES = re.compile(r".*(drop|moment|fraction|ratio|prob|share|beta|smoothing|features|alpha|mixup|cutmix)")
"""Settings between 0 and 1, by their names."""


@dataclass
class FirstLook:
    """A function by `file.py:name`, what it takes of ours, and ranges for its settings by their defaults.

    `required` are settings without a default; `metric` is one that its source names, None where it names none.
    """

    reference: str
    supplied: list[str]
    spaces: dict[str, dict[str, Any]] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    metric: str | None = None


def look_at_function(path: Path) -> FirstLook:
    """The function `train` of a file, or the last that names a seed. Raises TrainableError where there is none."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError, OSError) as error:
        raise TrainableError(f"{path}: cannot be read as Python ({error})") from error
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    seeded = [name for name, node in functions.items() if "seed" in _parameters(node)]
    name = "train" if "train" in functions else seeded[-1] if seeded else None
    if name is None:
        raise TrainableError(f"{path}: there is no function train(seed, ...) in it; write one that returns scores")
    return _first_look(f"{path.name}:{name}", functions[name])


def _parameters(node: ast.FunctionDef) -> dict[str, ast.expr | None]:
    """Name of a parameter -> its default in the source."""
    arguments = [*node.args.posonlyargs, *node.args.args]
    defaults: list[ast.expr | None] = [None] * (len(arguments) - len(node.args.defaults)) + list(node.args.defaults)
    pairs = [*zip(arguments, defaults, strict=True), *zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)]
    return {argument.arg: default for argument, default in pairs}


def _first_look(reference: str, node: ast.FunctionDef) -> FirstLook:
    parameters = _parameters(node)
    look = FirstLook(reference, [name for name in parameters if name in SUPPLIED])
    for name, default in parameters.items():
        if name not in SUPPLIED and default is None:
            look.required.append(name)
        elif name not in SUPPLIED and (space := _space(name, default)):
            look.spaces[name] = space
    texts = [item.value for item in ast.walk(node) if isinstance(item, ast.Constant) and isinstance(item.value, str)]
    look.metric = next((text for text in texts if text in METRICS), None)
    return look


def _space(name: str, default: ast.expr | None) -> dict[str, Any] | None:
    """A range about a default that is a number above 0; None for all else, and for what is no hyperparameter."""
    try:
        value = None if default is None else ast.literal_eval(default)
    except ValueError:
        return None
    if NOT_SWEPT.fullmatch(name) or isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        return None
    if isinstance(value, int):
        return {"low": max(1, value // 2), "high": 2 * value}
    if SHARES.match(name) and value <= 1:
        return {"low": round(value / 2, 6), "high": round(min(1, 1.5 * value), 6)}
    return {"low": float(f"{value / 10:.6g}"), "high": float(f"{value * 10:.6g}"), "log": True}
