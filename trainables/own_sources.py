"""The source by which a user's own code is known.

What a module of the user's imports from its own folder belongs to it, and so does a script that it names: a changed
helper is a changed function.
"""

import ast
import hashlib
import io
import re
import tokenize
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType

from evenkeel.trainables.own_code import own_module

FILE_NAME = re.compile(r"[\w-][\w.-]{0,99}\.\w{1,12}")
MAX_COMPANION_BYTES = 2**20
"""What is larger is data: it is named under `data`, or decides nothing."""
SCRIPTS = frozenset((".py", ".sh", ".bash", ".r", ".jl", ".pl", ".rb", ".js", ".lua", ".m", ".yaml", ".yml", ".toml"))
"""A neighbour of another kind may be what the code writes, a log say, which would be a change at every run."""
INSTALLED = frozenset(("site-packages", "dist-packages"))
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
OURS = "evenkeel"
"""What a user's code imports of evenkeel decides by its version, not by its source."""


@dataclass(frozen=True)
class _Source:
    """A file, read and parsed once. Its text raises ValueError for what is not in the encoding that it says it has, its
    tree for what is no Python: a helper that is imported late may be so."""

    path: Path

    @cached_property
    def text(self) -> str:
        """As Python reads it."""
        try:
            with tokenize.open(self.path) as file:
                return file.read()
        except (SyntaxError, UnicodeDecodeError) as error:
            raise ValueError(f"{self.path}: cannot be read ({error}); save it as UTF-8") from error

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All of its tree."""
        try:
            return list(ast.walk(ast.parse(self.text)))
        except (SyntaxError, RecursionError) as error:
            raise ValueError(f"{self.path}: {error}; correct it") from error


def source_fingerprint(reference: str) -> str:
    """16 hexadecimal digits of the source of the module that `reference` names and of its neighbours that it imports.

    Comments, docstrings, blank lines and trailing blanks do not count. A small file beside a source that names it (a
    script that it starts) counts as it is. A module without a Python source counts by its name.
    """
    sources = _sources(own_module(reference.partition(":")[0]))
    hashed = hashlib.sha256()
    for source in sources:
        hashed.update(f"{source.path.name}\n{_normalised(source)}\n".encode())
    for path in _companions(sources):
        hashed.update(f"{path.name}\n".encode() + path.read_bytes())
    return hashed.hexdigest()[:16]


def source_files(reference: str) -> list[Path]:
    """The files that `source_fingerprint` reads: where a study goes they must go too."""
    sources = _sources(own_module(reference.partition(":")[0]))
    return [*(source.path for source in sources), *_companions(sources)]


def mentions(reference: str, word: str) -> bool:
    """Whether the sources that `source_fingerprint` reads hold a word; they are read once, as the module is."""
    return _mentions(own_module(reference.partition(":")[0]), word)


@cache
def _mentions(module: ModuleType, word: str) -> bool:
    return any(word in source.text for source in _sources(module))


def _sources(module: ModuleType) -> list[_Source]:
    """The module's file, and those of its folder or package that it imports, directly or not, in order of names."""
    path = Path(module.__file__ or "")
    if path.suffix != ".py":
        return []
    base = path.parents[module.__name__.count(".") + (path.name == "__init__.py")]
    sources, waiting = {path: _Source(path)}, [path]
    while waiting:
        for neighbour in _imported(sources[waiting.pop()], base):
            if neighbour not in sources:
                sources[neighbour] = _Source(neighbour)
                waiting.append(neighbour)
    return [source for _, source in sorted(sources.items())]


def _companions(sources: Collection[_Source]) -> list[Path]:
    """Small files beside sources that hold their names as a text: `Path(__file__).parent / "train.sh"` names one."""
    named = {source.path.parent / text for source in sources for text in _texts(source)}
    scripts = named - {source.path for source in sources}
    files = (path for path in scripts if path.suffix.lower() in SCRIPTS and path.is_file())
    return sorted(path for path in files if path.stat().st_size <= MAX_COMPANION_BYTES)


def _texts(source: _Source) -> set[str]:
    """The texts of a source that may be names of files in its folder."""
    values = (node.value for node in source.nodes if isinstance(node, ast.Constant))
    return {value for value in values if isinstance(value, str) and FILE_NAME.fullmatch(value)}


def _imported(source: _Source, base: Path) -> Iterator[Path]:
    """Files that a file imports from its folder or package, and the packages in which it lies.

    `base` is where the dotted name of the user's module begins: a folder may be a package without `__init__.py`. What
    is installed beside a file does not belong to it.
    """
    path, root = source.path, _root(source.path)
    yield from _files(root, ".".join(path.relative_to(root).parts[:-1]))
    own_package = path.relative_to(root).parts[0] if INSTALLED & set(root.parts) else None
    for node in source.nodes:
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


def _normalised(source: _Source) -> str:
    """Source without comments, docstrings, blank lines and trailing blanks; the same under every version of Python."""
    lines = source.text.splitlines()
    tokens = list(tokenize.generate_tokens(io.StringIO(source.text).readline))
    in_strings = _rows_in_strings(tokens)
    for token in tokens:
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in source.nodes:
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
