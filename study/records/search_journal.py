"""What the searches of a study asked and were told, in order: one small file a round of proposals, never changed.

It is written before any trial of those proposals runs. A file that cannot be read is set aside: what it proposed is
known by the records of the trials that ended.
"""

import json
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evenkeel.study.records.folder import Folder
from evenkeel.study.records.hashed_names import hashed_name, is_intact, number_in

JOURNAL_FOLDER = "searches"
MAX_FILES = 1000
"""More of them are made one when they are read."""


class JournalEvent(BaseModel):
    """`setting`: what the search of this key asked under this number. Without one, `values`: what it was told of it,
    and `epoch`: after which the trial was stopped."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    search: str
    proposal: int = Field(ge=0)
    setting: dict[str, Any] | None = None
    values: list[float] | None = None
    epoch: int | None = Field(None, ge=1)


class JournalPart(BaseModel):
    """What a file holds; `whole`: it repeats what all files before it say."""

    model_config = ConfigDict(strict=True, extra="forbid")
    events: list[JournalEvent]
    whole: bool = False


class SearchJournal:
    """The journal in a study's folder; `say` hears of what had to be set aside."""

    def __init__(self, folder: Folder, say: Callable[[str], None]) -> None:
        self.folder, self.say, self.number = folder, say, 0

    def read(self) -> list[dict[str, Any]]:
        """All events in order, as they were written."""
        names, events = self.folder.names(JOURNAL_FOLDER, ".json"), list[dict[str, Any]]()
        self.number = max((int(number_in(name), 16) for name in names), default=0)
        for name, content in self.folder.read_many(names).items():
            if part := self._parse(name, content):
                events = [*([] if part.whole else events), *(e.model_dump(exclude_unset=True) for e in part.events)]
        if len(names) > MAX_FILES:
            self._write(events, whole=True)
            self.folder.remove(*names)
        return events

    def append(self, events: list[dict[str, Any]]) -> None:
        """Write one file more. Raises StorageError where nothing can be written."""
        self._write(events, whole=False)

    def _write(self, events: list[dict[str, Any]], *, whole: bool) -> None:
        self.number += 1
        content = json.dumps({"events": events, "whole": whole}, allow_nan=False).encode()
        self.folder.fs.makedirs(self.folder.path_of(JOURNAL_FOLDER), exist_ok=True)
        self.folder.write(f"{JOURNAL_FOLDER}/{hashed_name(f'{self.number:08x}', content, '.json')}", content)

    def _parse(self, name: str, content: bytes | Exception) -> JournalPart | None:
        try:
            if isinstance(content, Exception):
                raise content
            if not is_intact(name, content):
                raise ValueError("its contents are not those that were written")
            return JournalPart.model_validate_json(content)
        except (OSError, ValueError) as error:
            why = "not what was written" if isinstance(error, ValidationError) else error
            self.say(f"{self.folder.location}/{name}: cannot be read ({why}); moved to set-aside/")
            self.folder.move(name, f"set-aside/{name.rpartition('/')[2]}")
            return None
