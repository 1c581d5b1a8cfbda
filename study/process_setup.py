"""What a process does before it reads a study: the home folder, the cache, where a user's own modules are found."""

import os
from pathlib import Path

from evenkeel.study.errors import UserError


def set_up(study: str | None) -> list[str]:
    """Make the cache's path absolute and find the modules beside the study file; returns their folders.

    None: no code of a study is run, and no folder is looked into. Raises UserError for a user without a home.
    """
    _refuse_homeless()
    if os.environ.get("EVENKEEL_CACHE"):  # relative, it would be another folder for each worker
        from evenkeel.trainables.cache import default_cache

        os.environ["EVENKEEL_CACHE"] = default_cache()
    if study is None:
        return []
    from evenkeel.trainables.own_code import use_folders

    use_folders(folders := _folders_of_own_code(study))
    return folders


def _refuse_homeless() -> None:
    """Ray and MLflow look into the home folder. Raises UserError for a user without one (a number in a container)."""
    if os.path.expanduser("~") == "~":
        raise UserError(f"HOME is not set, and user {os.getuid()} has no home; set HOME to a folder you may write to")


def _folders_of_own_code(study: str) -> list[str]:
    beside = [Path(os.path.expanduser(study)).resolve().parent] if study.endswith((".yaml", ".yml")) else []
    return list(dict.fromkeys(map(str, [*beside, Path.cwd()])))
