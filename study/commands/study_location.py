"""A study that is read, not run: by its file, a preset's name, or the folder of its records."""

import argparse
import sys

from evenkeel.study.errors import UserError
from evenkeel.study.file.header import fill_margins
from evenkeel.study.file.locations import Storage, StudyLocation
from evenkeel.study.file.read import load_study_header
from evenkeel.study.plain_text import visible
from evenkeel.study.records.study_folder import StudyFolder
from evenkeel.trainables.settings import at_home


def locate_study(study: str, options: argparse.Namespace) -> tuple[StudyLocation, Storage]:
    """What it is called and where its records lie; no code of the study is run. Raises UserError."""
    if options.storage or not _is_storage(study):
        header = load_study_header(study, options.overrides)
        storage = Storage.resolve(header, options.storage)
        return StudyLocation(header.name, str(storage), header.tracking, fill_margins(header.margin)), storage
    if options.overrides:
        raise UserError(f"--set {options.overrides[0]}: {study} is read as it was recorded; name its study file")
    storage = Storage.parse(study)
    study_record = StudyFolder(str(storage)).require_study()
    _say_unasked(study, study_record.config.get("tracking"), options)
    return StudyLocation(study_record.name, str(storage), None), storage


def _say_unasked(study: str, tracking: object, options: argparse.Namespace) -> None:
    """A folder may be anybody's: no address that it names is asked, and none gets this user's credentials."""
    if tracking and not getattr(options, "tracking_uri", None) and hasattr(options, "tracking_uri"):
        sys.stderr.write(
            f"{visible(study)} names MLflow at {visible(tracking)}, which is not asked; if you trust it, give "
            "--tracking-uri, or the study's file in place of its folder\n"
        )


def _is_storage(study: str) -> bool:
    if study.endswith((".yaml", ".yml")):
        return False
    return "://" in study or (at_home(study) / "study.json").is_file()
