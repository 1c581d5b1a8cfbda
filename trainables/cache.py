"""Where this machine keeps what is computed once: images, features, compiled losses."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def default_cache() -> str:
    """EVENKEEL_CACHE, or the user's cache folder."""
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return os.environ.get("EVENKEEL_CACHE", str(home / "evenkeel"))


def made_once(path: Path, make: Callable[[Path], object]) -> Path:
    """`path`, a file or folder that `make` writes under the temporary name it is given; one process makes, others wait.

    The temporary name ends like `path`. What `make` raises is passed on and leaves nothing behind.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not path.exists():
            temporary = path.with_name(f".{os.getpid()}.{path.name}")
            _remove(temporary)
            try:
                make(temporary)
                temporary.rename(path)
            finally:
                _remove(temporary)
    return path


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
