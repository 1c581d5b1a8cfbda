"""A user's own functions: found by `file.py:name` or `module:name`, and known by their source.

A file is looked for in the folder of the study file first. What a module of the
user's imports from its own folder belongs to it: a changed helper is a changed function.
"""

import ast
import hashlib
import importlib
import importlib.util
import io
import sys
import tokenize
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.own_path import add_own_folders

FORMER_NAMES = ("study", "trainables", "search_spaces", "reports")
"""What the packages were called before all of them were installed inside `evenkeel`."""
USERS_OF_TORCHVISION = ("timm", "open_clip", "torchvision")
OWN_PREFIX = "evenkeel_own_"
"""Before the name of a user's file whose own name another module bears already."""
INSTALLED = frozenset(("site-packages", "dist-packages"))
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
OURS = "evenkeel"
"""What a user's code imports of evenkeel decides by its version, not by its source."""


FOLDERS: list[str] = []
"""Where a user's files are looked for first: that of the study file, then the working folder."""


def use_folders(folders: Iterable[str]) -> None:
    """Look for a user's files there. Their modules come behind all that is installed, so that nothing is shadowed."""
    FOLDERS.extend(folder for folder in folders if folder not in FOLDERS)
    add_own_folders(FOLDERS)


def own_object(kind: str, reference: str) -> Any:
    """The function or class that `file.py:name` or `module:name` means; `kind` says in a message what it should be.

    Raises ValueError for a reference that leads nowhere, and for a module that cannot be imported.
    """
    module, _, attribute = reference.partition(":")
    try:
        return getattr(own_module(module), attribute)
    except FileNotFoundError as error:
        raise ValueError(f"cannot load the {kind} {reference!r}: there is no {module} beside the study file") from error
    except TrainableError:
        raise
    except (ImportError, AttributeError) as error:
        raise ValueError(f"cannot load the {kind} {reference!r} ({error}); check the module path") from error
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        raise ValueError(f"cannot load the {kind} {reference!r}: it raises {problem}; correct it") from error


def source_fingerprint(reference: str) -> str:
    """16 hexadecimal digits of the source of the module that `reference` names and of its neighbours that it imports.

    Comments, docstrings, blank lines and trailing blanks do not count. A module without a Python source counts by its
    name.
    """
    module = own_module(reference.partition(":")[0])
    hashed = hashlib.sha256()
    for path in _sources(module):
        hashed.update(f"{path.name}\n{_normalised(path.read_text(encoding='utf-8'))}\n".encode())
    return hashed.hexdigest()[:16]


def mentions(reference: str, word: str) -> bool:
    """Whether the sources that `source_fingerprint` reads hold a word."""
    module = own_module(reference.partition(":")[0])
    return any(word in path.read_text(encoding="utf-8") for path in _sources(module))


def own_module(name: str) -> ModuleType:
    """A user's module by its dotted name, or a file (`train.py`) of one of FOLDERS or of a folder that is on the path.

    Raises ImportError for one that is not there or is no name of a module, FileNotFoundError for a file that is not
    there, TrainableError for a module that imports ours by the names of 0.2.0, and whatever the module itself raises.
    """
    if not name.endswith(".py"):
        return _by_dotted_name(name)
    folders = (Path(folder or ".") for folder in (*FOLDERS, *sys.path))
    path = next((path for folder in folders if (path := folder / name).is_file()), None)
    if path is None:
        raise FileNotFoundError(name)
    return _loaded(path.resolve())


def _by_dotted_name(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise ImportError(f"{name!r} is no name of a module")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.partition(".")[0] not in FORMER_NAMES or missing == name:
            raise
        raise TrainableError(_former_import(name, missing)) from error
    if copy := next(filter(_is_second_copy, FORMER_NAMES), None):
        raise TrainableError(_former_import(name, copy))
    return module


def _former_import(module: str, former: str) -> str:
    return (
        f"module {module!r} imports {former!r}, which was a name of evenkeel up to 0.2.0; since 0.3.0 it is: "
        f"from evenkeel.{former} import ..."
    )


def _is_second_copy(former: str) -> bool:
    """Whether one of our folders was imported without `evenkeel`, as is possible at the top of a checkout: its classes
    would not be those that this process uses."""
    file = getattr(sys.modules.get(former), "__file__", None)
    return file is not None and Path(file).resolve().parent == (Path(__file__).parent.parent / former).resolve()


@cache
def _loaded(path: Path) -> ModuleType:
    """The module of a file, imported once, under its own name unless another module has it."""
    taken = sys.modules.get(path.stem)
    if taken is not None and taken.__file__ and Path(taken.__file__).resolve() == path:
        return taken
    _pair_torchvision(path)
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


def _pair_torchvision(path: Path) -> None:
    """A torchvision that does not fit torch is mended before a file imports it, as it is for modules of ours."""
    text = path.read_text(encoding="utf-8")
    if any(library in text for library in USERS_OF_TORCHVISION):
        from evenkeel.trainables.models.torchvision_pair import import_torchvision

        import_torchvision()


def _is_first(path: Path) -> bool:
    """Whether an ordinary import of the file's name would find this file, as a process that it starts does."""
    if path.stem in sys.modules or not path.stem.isidentifier():
        return False
    spec = importlib.util.find_spec(path.stem)
    return spec is not None and spec.origin is not None and Path(spec.origin).resolve() == path


def _sources(module: ModuleType) -> list[Path]:
    """The module's file, and those of its folder or package that it imports, directly or not, in order of names."""
    path = Path(module.__file__ or "")
    if path.suffix != ".py":
        return []
    base = path.parents[module.__name__.count(".") + (path.name == "__init__.py")]
    sources, waiting = {path}, [path]
    while waiting:
        for neighbour in _imported(waiting.pop(), base):
            if neighbour not in sources:
                sources.add(neighbour)
                waiting.append(neighbour)
    return sorted(sources)


def _imported(path: Path, base: Path) -> Iterator[Path]:
    """Files that a file imports from its folder or package, and the packages in which it lies.

    `base` is where the dotted name of the user's module begins: a folder may be a package without `__init__.py`. What
    is installed beside a file does not belong to it.
    """
    root = _root(path)
    yield from _files(root, ".".join(path.relative_to(root).parts[:-1]))
    own_package = path.relative_to(root).parts[0] if INSTALLED & set(root.parts) else None
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for folder, name in _names(node, path, root):
            first = name.partition(".")[0]
            if first != OURS and (own_package is None or folder != root or first == own_package):
                yield from _files(folder, name)
                if folder == root and own_package is None:
                    yield from _files(base, name)


def _root(path: Path) -> Path:
    """The folder in which Python looks for a file: the one beside its topmost package."""
    folder = path.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _names(node: ast.AST, path: Path, root: Path) -> Iterator[tuple[Path, str]]:
    """The dotted names that an import asks for, each with the folder in which it is looked for."""
    if isinstance(node, ast.Import):
        yield from ((root, alias.name) for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        folder = path.parents[node.level - 1] if node.level else root
        module = node.module or ""
        yield from ((folder, f"{module}.{alias.name}".lstrip(".")) for alias in node.names)
        yield folder, module
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module") and node.args:
        match node.args[0]:
            case ast.Constant(value=str(name)):
                level = len(name) - len(name.lstrip("."))
                yield path.parents[level - 1] if level else root, name[level:]


def _files(folder: Path, name: str) -> Iterator[Path]:
    """The files of a dotted name: its module, and the packages on the way to it."""
    for part in filter(None, name.split(".")):
        folder = folder / part
        for path in (folder.with_name(f"{part}.py"), folder / "__init__.py"):
            if path.is_file():
                yield path


def _normalised(text: str) -> str:
    """Source without comments, docstrings, blank lines and trailing blanks; the same under every version of Python."""
    lines = text.splitlines()
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    in_strings = _rows_in_strings(tokens)
    for token in tokens:
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            if not lines[docstring.lineno - 1][: docstring.col_offset].strip():
                lines[docstring.lineno - 1 : _end(docstring)] = [""] * (_end(docstring) - docstring.lineno + 1)
                in_strings -= {*range(docstring.lineno, _end(docstring))}
    kept = (line if row in in_strings else line.rstrip() for row, line in enumerate(lines, start=1))
    return "\n".join(line for row, line in enumerate(kept, start=1) if line or row in in_strings)


def _rows_in_strings(tokens: list[tokenize.TokenInfo]) -> set[int]:
    """The rows, from 1, whose line break is part of a string; Python 3.12 has several tokens for one f-string."""
    rows, opened = set[int](), list[int]()
    for token in tokens:
        kind = tokenize.tok_name[token.type]
        if kind.endswith("STRING_START"):
            opened.append(token.start[0])
        elif kind == "STRING" or kind.endswith("STRING_END"):
            rows |= {*range(token.start[0] if kind == "STRING" else opened.pop(), token.end[0])}
    return rows


def _end(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno
