"""Folders of a user's own modules: on the path, behind all that is installed, and open to the user's own code alone.

Libraries try to import optional packages that are not installed. A file of such a name that lies beside a study, or in
the working folder, is not what they ask for, and would be run: for them there is no such module.
"""

import sys
from collections.abc import Iterable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import MetadataPathFinder
from pathlib import Path
from types import CodeType, ModuleType

ASKING_FOR_USERS = str(Path(__file__).with_name("own_code.py"))
"""The module that imports what a study file names."""


class _Guard(MetaPathFinder):
    """Stands where Python's own finder of modules on the path stood, and asks it."""

    # PathFinder loses its own where the backport importlib_metadata was imported first, as MLflow does.
    find_distributions = staticmethod(MetadataPathFinder.find_distributions)
    invalidate_caches = staticmethod(PathFinder.invalidate_caches)

    def __init__(self) -> None:
        self.folders: list[str] = []

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What is installed; else what lies in these folders, for the user's own code; else None."""
        if path is not None:
            return PathFinder.find_spec(name, path, target)
        spec = PathFinder.find_spec(name, path_of_installed(), target)
        if spec is None and self.folders and self._asked_by_user():
            spec = PathFinder.find_spec(name, self.folders, target)
        return spec

    def _asked_by_user(self) -> bool:
        frame = sys._getframe(2)
        while frame.f_back is not None and _is_import_system(frame.f_code):
            frame = frame.f_back
        file = frame.f_code.co_filename
        return file == ASKING_FOR_USERS or any(Path(folder) in Path(file).parents for folder in self.folders)


GUARD = _Guard()


def set_own_folders(folders: Iterable[str]) -> None:
    """Put folders at the end of the path, for modules that a study file names and what these import.

    Those of another study leave it, and their modules are forgotten: two studies may each have a `model.py`.
    """
    sys.path[:] = path_of_installed()
    new = [folder for folder in folders if folder not in sys.path]
    dropped = {Path(folder).resolve() for folder in GUARD.folders} - {Path(folder).resolve() for folder in new}
    if dropped:  # asked for with every pack, while thousands of modules are loaded
        for name in [name for name, module in sys.modules.items() if _root_of(name, module) in dropped]:
            del sys.modules[name]
    sys.path += new
    GUARD.folders = new
    if PathFinder in sys.meta_path:
        sys.meta_path[sys.meta_path.index(PathFinder)] = GUARD


def _root_of(name: str, module: ModuleType) -> Path | None:
    """The folder of the path in which a module was found; None for one without a file."""
    file = getattr(module, "__file__", None)
    if not file:
        return None
    path = Path(file)
    depth = name.count(".") + (path.name == "__init__.py")
    return path.parents[depth] if depth < len(path.parents) else None


def path_of_installed() -> list[str]:
    """The path without these folders, for a process that needs none of the user's modules."""
    return [folder for folder in sys.path if folder not in GUARD.folders]


def _is_import_system(code: CodeType) -> bool:
    return code.co_filename.startswith("<frozen importlib") or Path(code.co_filename).parent.name == "importlib"
