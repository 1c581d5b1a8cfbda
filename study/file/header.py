"""The keys that say where records and MLflow lie; read alone by commands that only look at what is recorded."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import BeforeValidator, Field

from evenkeel.trainables.measures import HEADLINES
from evenkeel.trainables.settings import Settings, UrlText, Written, at_home

DEFAULT_MARGIN = 0.01
SQLITE = "sqlite:///"


def make_absolute_uri(uri: str, folder: Path) -> str:
    """A tracking URI; of an sqlite file by absolute path, since workers and servers have other working folders."""
    return f"{SQLITE}{in_address(folder) / at_home(uri.removeprefix(SQLITE))}" if uri.startswith(SQLITE) else uri


def in_address(path: Path) -> Path:
    """A path as an address holds it: what would end the path there is quoted."""
    return Path(re.sub(r"[%?#]", lambda match: quote(match[0]), str(path)))


def _tracking(uri: Any) -> Any:
    return make_absolute_uri(uri, uri.folder) if isinstance(uri, Written) else uri


Name = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        max_length=100,
        description="of the study, its folder and its MLflow experiment",
    ),
]
Tracking = Annotated[str, BeforeValidator(_tracking)]


def fill_margins(margin: float | dict[str, float], metrics: Iterable[str] = HEADLINES) -> dict[str, float]:
    """The margin of each of `metrics`; DEFAULT_MARGIN for those that are not named."""
    named = margin if isinstance(margin, dict) else dict.fromkeys(metrics, margin)
    return dict.fromkeys(metrics, DEFAULT_MARGIN) | named


class StudyHeader(Settings):
    """What a study is called, where its records and MLflow lie, and the margin that its file names."""

    name: Name
    storage: UrlText | None = None
    tracking: Tracking | None = None
    margin: float | dict[str, float] = DEFAULT_MARGIN
