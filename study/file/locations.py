"""Where records and MLflow lie: "is it local?", "is it our own database?", "whose key do I blame?", answered once."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from evenkeel.study.errors import UserError
from evenkeel.study.file.header import SQLITE, StudyHeader, in_address, make_absolute_uri
from evenkeel.study.file.study import StudyConfig
from evenkeel.trainables.settings import at_home

SECRET = re.compile(r"(?<=://).*@|(?<=\?).*")
"""The user and password of a URI, and its query, which may hold a token."""

URI_VARIABLE = "MLFLOW_TRACKING_URI"
"""Where every program of MLflow looks."""


class StudyLocation(NamedTuple):
    """What must be known of a study to read its records; `margins` by metric, where its file was read."""

    name: str
    storage: str
    tracking: str | None
    margins: dict[str, float] | None = None


@dataclass(frozen=True)
class Storage:
    """The folder of a study's records: an absolute path, or a URL that fsspec opens."""

    location: str

    @classmethod
    def resolve(cls, config: StudyConfig | StudyHeader, option: str | None) -> "Storage":
        """The option, the file's `storage`, or studies/<name>."""
        return cls.parse(option or config.storage or f"studies/{config.name}")

    @classmethod
    def parse(cls, text: str) -> "Storage":
        """A folder or URL as written."""
        text = text.removeprefix("file://")
        return cls(text if "://" in text else str(at_home(text).resolve()))

    def __str__(self) -> str:
        return self.location

    @property
    def folder(self) -> Path | None:
        """The folder of a local storage, None for a URL."""
        return None if "://" in self.location else Path(self.location)


@dataclass(frozen=True)
class TrackingUri:
    """Where MLflow lies. `str` and `repr` show it without user, password and query; `raw` is for MLflow alone.

    `key` is what to blame: the option, the study file's key or the variable; empty for our own database.
    """

    raw: str = field(repr=False)
    key: str
    storage: Storage

    @classmethod
    def resolve(cls, config: StudyConfig | StudyLocation, storage: Storage, option: str | None) -> "TrackingUri":
        """What was named, or a database in the study's folder.

        Raises UserError for an object store, which cannot hold a database.
        """
        if uri := cls.find_named(config, storage, option):
            return uri
        if storage.folder is None:
            raise UserError(
                f"{storage}: an object store cannot hold the MLflow database; give --tracking-uri, or set "
                f"{URI_VARIABLE}"
            )
        return cls(own_database_uri(storage.folder), "", storage)

    @classmethod
    def find_named(
        cls, config: StudyConfig | StudyLocation, storage: Storage, option: str | None
    ) -> "TrackingUri | None":
        """The option, the file's `tracking`, or MLflow's own variable of the environment; None where none is set."""
        keys = {"--tracking-uri": option, "tracking": config.tracking, URI_VARIABLE: os.environ.get(URI_VARIABLE)}
        key, uri = next(((key, uri) for key, uri in keys.items() if uri), ("", None))
        return cls(make_absolute_uri(uri, Path.cwd()), key, storage) if uri else None

    def __str__(self) -> str:
        return self.raw if self.database else SECRET.sub("***", self.raw)

    @property
    def blamed(self) -> str:
        """Key and place, as a message begins."""
        return f"{self.key} {self}".strip()

    @property
    def database(self) -> Path | None:
        """The file of an sqlite database, None for every other place."""
        return Path(unquote(self.raw.removeprefix(SQLITE))) if self.raw.startswith(SQLITE) else None

    def check_database(self, study: str) -> None:
        """Raises UserError where a file is missing (MLflow would make it) or closed (it would try for a minute)."""
        if self.database and not self.database.exists():
            raise UserError(f"{self}: no MLflow database yet; start the study with: evenkeel run {study}")
        if self.database and not os.access(self.database, os.R_OK):
            raise UserError(f"{self}: may not be read by this user; give leave there")

    @property
    def is_own(self) -> bool:
        """The database in the study's folder, which nobody named."""
        return not self.key

    @property
    def is_server(self) -> bool:
        """A server with a UI of its own."""
        return self.raw.startswith(("http://", "https://"))

    @property
    def address(self) -> str:
        """Of a server's UI, for links: a browser asks for user and password itself."""
        return SECRET.sub("", self.raw).rstrip("?/")

    @property
    def artifacts(self) -> str | None:
        """Where artifacts lie: beside our own database; elsewhere (None) the server decides."""
        own = self.storage.folder and self.database and self.database.parent.resolve() == self.storage.folder
        return f"{self.storage}/artifacts" if own else None

    def hide(self, text: str) -> str:
        """`text` (an error of MLflow's, say) without the secrets of this URI."""
        text = text.replace(self.raw, str(self))
        password = urlsplit(self.raw).password
        for secret in {password, unquote(password)} if password else ():
            text = text.replace(secret, "***")
        return text


def own_database_uri(folder: Path) -> str:
    """The database inside a study's folder, by absolute path."""
    return f"{SQLITE}{in_address(folder.resolve())}/mlflow.db"


def config_without_secrets(config: StudyConfig) -> dict[str, Any]:
    """The configuration as JSON that may be written down: its tracking URI without user, password and query."""
    tracking = config.tracking and str(TrackingUri(config.tracking, "tracking", Storage("")))
    return config.model_dump(mode="json") | {"tracking": tracking}
