"""A user's own functions: found by `file.py:name` or `module:name`, and known by their source.

A file is looked for in the folders that are on the path, where the folder of the study file is. What a module of the
user's imports from its own folder belongs to it: a changed helper is a changed function.
"""

import ast
import hashlib
import importlib
import importlib.util
import io
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

OWN_PREFIX = "evenkeel_own_"
"""Before the name of a user's file whose own name another module bears already."""


def own_object(kind: str, reference: str) -> Any:
    """The function or class that `file.py:name` or `module:name` means; `kind` says in a message what it should be.

    Raises ValueError for a reference that leads nowhere, and for a module that cannot be imported.
    """
    module_name, _, attribute = reference.partition(":")
    try:
        return getattr(_module(module_name), attribute)
    except FileNotFoundError as error:
        raise ValueError(f"{kind} {reference!r}: there is no {module_name} beside the study file") from error
    except AttributeError as error:
        raise ValueError(f"{kind} {reference!r}: {error}; check the name behind the colon") from error
    except Exception as error:
        raise ValueError(f"{kind} {reference!r}: cannot be imported ({type(error).__name__}: {error})") from error


def source_fingerprint(reference: str) -> str:
    """16 hexadecimal digits of the source of the module that `reference` names and of its neighbours that it imports.

    Comments, blank lines and trailing blanks do not count. A module without a Python source counts by its name.
    """
    module = _module(reference.partition(":")[0])
    hashed = hashlib.sha256()
    for path in _sources(Path(module.__file__)) if module.__file__ else ():
        hashed.update(f"{path.name}\n{_normalised(path.read_text(encoding='utf-8'))}\n".encode())
    return hashed.hexdigest()[:16]


def mentions(reference: str, word: str) -> bool:
    """Whether the sources that `source_fingerprint` reads hold a word."""
    module = _module(reference.partition(":")[0])
    sources = _sources(Path(module.__file__)) if module.__file__ else []
    return any(word in path.read_text(encoding="utf-8") for path in sources)


@cache
def _module(name: str) -> ModuleType:
    if not name.endswith(".py"):
        if not all(part.isidentifier() for part in name.split(".")):
            raise ImportError(f"{name!r} is no name of a module")
        return importlib.import_module(name)
    path = next((path for folder in sys.path if (path := Path(folder or ".") / name).is_file()), None)
    if path is None:
        raise FileNotFoundError(name)
    return _loaded(path.resolve())


def _loaded(path: Path) -> ModuleType:
    """The module of a file, imported once, under its own name unless another module has it."""
    taken = sys.modules.get(path.stem)
    if taken is not None and taken.__file__ and Path(taken.__file__).resolve() == path:
        return taken
    spec = importlib.util.spec_from_file_location(path.stem if _is_first(path) else OWN_PREFIX + path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return module


def _is_first(path: Path) -> bool:
    """Whether an ordinary import of the file's name would find this file, as a process that it starts does."""
    if path.stem in sys.modules or not path.stem.isidentifier():
        return False
    spec = importlib.util.find_spec(path.stem)
    return spec is not None and spec.origin is not None and Path(spec.origin).resolve() == path


def _sources(path: Path) -> list[Path]:
    """The file, and those of its folder that it imports, directly or not, in order of their names."""
    if path.suffix != ".py":
        return []
    found, waiting = {path}, [path]
    while waiting:
        for neighbour in _imported(waiting.pop()):
            if neighbour not in found:
                found.add(neighbour)
                waiting.append(neighbour)
    return sorted(found)


def _imported(path: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module] if node.module else names
        for name in names:
            first = name.partition(".")[0]
            yield from (p for p in (path.parent / f"{first}.py", path.parent / first / "__init__.py") if p.is_file())


def _normalised(text: str) -> str:
    """Source without comments, blank lines and trailing blanks."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return "\n".join(stripped for line in lines if (stripped := line.rstrip()))
