"""Where this machine keeps what is computed once: images, features, compiled losses."""

import os
from pathlib import Path


def default_cache() -> str:
    """EVENKEEL_CACHE, or the user's cache folder."""
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return os.environ.get("EVENKEEL_CACHE", str(home / "evenkeel"))
