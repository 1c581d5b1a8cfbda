"""A user's own functions, found by `file.py:name` or `module:name`: a file in the folder of the study file first."""

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from evenkeel.trainables.errors import TrainableError, in_one_line, nearest
from evenkeel.trainables.own_path import set_own_folders

FORMER_NAMES = ("study", "trainables", "search_spaces", "reports")
"""What the packages were called before all of them were installed inside `evenkeel`."""
USERS_OF_TORCHVISION = ("timm", "open_clip", "torchvision")
OWN_PREFIX = "evenkeel_own_"
"""Before the name of a user's file whose own name another module bears already."""


FOLDERS: list[str] = []
"""Where a user's files are looked for first: that of the study file, then the working folder."""


class ModuleRaised(ValueError):
    """A user's module raised something when it was imported: what, and where."""


def use_folders(folders: Iterable[str]) -> None:
    """Look for a user's files there, and no longer where those of another study lay.

    Their modules come behind all that is installed, so that nothing is shadowed.
    """
    FOLDERS[:] = dict.fromkeys(folders)
    set_own_folders(FOLDERS)


def own_object(kind: str, reference: str) -> Any:
    """The function or class that `file.py:name` or `module:name` means; `kind` says in a message what it should be.

    Raises ValueError for a reference that leads nowhere, and for a module that cannot be imported.
    """
    module, _, attribute = reference.partition(":")
    if module == "__main__":
        raise ValueError(
            f"the {kind} {reference!r}: what a notebook or the running script defines has no file for workers to read; "
            f"write it into a file (%%writefile own.py) and name own.py:{attribute}"
        )
    loaded = _load(kind, reference, module)
    if not hasattr(loaded, attribute):
        own = [name for name, value in vars(loaded).items() if getattr(value, "__module__", "") == loaded.__name__]
        raise ValueError(
            f"cannot load the {kind} {reference!r}: {module} has no {attribute!r}; {_hint(attribute, own)}"
        )
    return getattr(loaded, attribute)


def _load(kind: str, reference: str, module: str) -> ModuleType:
    try:
        return own_module(module)
    except FileNotFoundError as error:
        raise ValueError(f"cannot load the {kind} {reference!r}: there is no {module} beside the study file") from error
    except TrainableError:
        raise
    except ModuleRaised as error:
        raise ValueError(f"cannot load the {kind} {reference!r}: {error}; correct it") from error
    except ImportError as error:
        is_itself = error.name in (None, module, module.partition(".")[0])
        way = "check the module path" if is_itself else f"{module} imports it: install it, or correct the import"
        raise ValueError(f"cannot load the {kind} {reference!r} ({error}); {way}") from error


def _hint(name: str, valid: list[str]) -> str:
    return nearest(name, valid) if valid else "write it there"


def own_module(name: str) -> ModuleType:
    """A user's module by its dotted name, or a file (`train.py`) of one of FOLDERS or of a folder that is on the path.

    Raises ImportError for one that is not there or is no name of a module, FileNotFoundError for a file that is not
    there, TrainableError for a module that imports ours by the names of 0.2.0, ModuleRaised for what it raises itself.
    """
    if not name.endswith(".py"):
        with _raising():
            return _by_dotted_name(name)
    folders = (Path(folder or ".") for folder in (*FOLDERS, *sys.path))
    path = next((path for folder in folders if (path := folder / name).is_file()), None)
    if path is None:
        raise FileNotFoundError(name)
    with _raising():
        return _loaded(path.resolve())


@contextmanager
def _raising() -> Iterator[None]:
    """A user's module may raise anything, and call sys.exit: then that is what happened, and where."""
    try:
        yield
    except (ImportError, TrainableError, KeyboardInterrupt):
        raise
    except BaseException as error:
        place = "" if isinstance(error, SyntaxError) else own_place(error)
        raise ModuleRaised(f"it raises {in_one_line(error)}{place}") from error


def own_place(error: BaseException) -> str:
    """`, in file.py:12`: the innermost line of the user's, or of anybody's where none is."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if any(Path(folder) in Path(f.filename).parents for folder in FOLDERS)]
    frame = (own or frames)[-1]
    return f", in {Path(frame.filename).name}:{frame.lineno}"


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
    text = path.read_bytes()
    if any(library.encode() in text for library in USERS_OF_TORCHVISION):
        from evenkeel.trainables.models.torchvision_pair import import_torchvision

        import_torchvision()


def _is_first(path: Path) -> bool:
    """Whether an ordinary import of the file's name would find this file, as a process that it starts does."""
    if path.stem in sys.modules or not path.stem.isidentifier():
        return False
    spec = importlib.util.find_spec(path.stem)
    return spec is not None and spec.origin is not None and Path(spec.origin).resolve() == path
