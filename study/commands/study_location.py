"""A study that is read, not run: by its file, a preset's name, or the folder of its records."""

import argparse

from evenkeel.study.errors import UserError
from evenkeel.study.file.read import load_places
from evenkeel.study.file.study import margins_of
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.run.locations import Recorded, Storage
from evenkeel.trainables.settings import at_home


def recorded(study: str, options: argparse.Namespace) -> tuple[Recorded, Storage]:
    """What it is called and where its records lie; no code of the study is run. Raises UserError."""
    if options.storage or not _is_storage(study):
        places = load_places(study, options.overrides)
        storage = Storage.of(places, options.storage)
        return Recorded(places.name, str(storage), places.tracking, margins_of(places.margin)), storage
    if options.overrides:
        raise UserError(f"--set {options.overrides[0]}: {study} is read as it was recorded; name its study file")
    storage = Storage.at(study)
    found = Ledger(str(storage), "").study_record()
    return Recorded(found.name, str(storage), found.config.get("tracking")), storage


def _is_storage(study: str) -> bool:
    if study.endswith((".yaml", ".yml")):
        return False
    return "://" in study or (at_home(study) / "study.json").is_file()
