"""The code of another commit beside this one, for ratios within one run."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def tree_of(commit: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """A work tree of a commit, removed after, and the environment in which `python -m` runs its code."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", tree, commit], check=True)
        try:
            yield tree, os.environ | {"PYTHONPATH": str(tree)}
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], check=True)
