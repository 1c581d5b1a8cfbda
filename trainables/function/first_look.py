"""A training function read from its source alone, nothing of it run: what a first study of it could vary."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.function.signature import SUPPLIED
from evenkeel.trainables.measures import METRICS
from evenkeel.trainables.measures.base import EVALUATED

NOT_SWEPT = re.compile(
    r"epochs?|batch(_size)?|.*steps?|.*iter(ation)?s?|.*workers|n_jobs|verbose|patience|image_size|.*seed"
)
SHARES = re.compile(r".*(drop|moment|fraction|ratio|prob|share|beta|smoothing|features|alpha|mixup|cutmix)")
"""Settings between 0 and 1, by their names."""
SMALLEST_SHARE = 0.01
"""A default below it (`alpha=0.0001`) is varied by powers of ten, whatever its name."""
PREDICTIONS = ("scores", "targets")
"""What a function returns beside scores of its own."""


@dataclass
class FirstLook:
    """A function by `file.py:name`, what it takes of ours, and ranges for its settings by their defaults.

    `required` are settings without a default. `scores` are the names under which it returns scores, as far as its
    source writes them down; `metric` is the first of them that is a metric of ours, else the first, None for none.
    """

    reference: str
    supplied: list[str]
    spaces: dict[str, dict[str, Any]] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    scores: list[str] = field(default_factory=list)

    @property
    def metric(self) -> str | None:
        """What a first study judges by."""
        return next((name for name in self.scores if name in METRICS), next(iter(self.scores), None))


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
    look.scores = [name for name in dict.fromkeys(_returned_names(node)) if name not in PREDICTIONS]
    return look


def _returned_names(node: ast.FunctionDef) -> Iterator[str]:
    """The keys of `{"val": {"f1": ...}}` and of `{split: {"f1": ...} for split in ...}`."""
    for item in ast.walk(node):
        if isinstance(item, ast.DictComp):
            yield from _keys(item.value)
        elif isinstance(item, ast.Dict):
            for key, value in zip(item.keys, item.values, strict=True):
                if isinstance(key, ast.Constant) and key.value in EVALUATED:
                    yield from _keys(value)


def _keys(node: ast.expr) -> list[str]:
    """The texts that are keys of a dictionary in the source."""
    keys = node.keys if isinstance(node, ast.Dict) else []
    return [key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]


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
    if SHARES.match(name) and SMALLEST_SHARE <= value < 1:
        return {"low": round(value / 2, 6), "high": round(min(1, 1.5 * value), 6)}
    return {"low": float(f"{value / 10:.6g}"), "high": float(f"{value * 10:.6g}"), "log": True}
