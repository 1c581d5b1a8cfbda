"""`evenkeel presets`: what can be run at once."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping

import yaml

from evenkeel.study.commands.tables import show
from evenkeel.study.file.read import PRESETS
from evenkeel.study.file.study import StudyConfig


def execute(options: argparse.Namespace) -> int:
    """List the presets, or print the JSON schema of study files."""
    if options.keys:
        from evenkeel.study.file.keys import page

        sys.stdout.write(page())
        return 0
    if options.schema:
        sys.stdout.write(schema())
        return 0
    show(["preset", "what it runs", "what it reproduces"], _rows(), words=3)
    return 0


def _rows() -> Iterator[tuple[str, str, str]]:
    for path in sorted(PRESETS.glob("*.yaml")):
        study = yaml.safe_load(path.read_text(encoding="utf-8"))
        yield path.stem, _words(study, "description"), _words(study, "reproduces")


def _words(study: Mapping[str, str], key: str) -> str:
    return " ".join(study.get(key, "").split())


def schema() -> str:
    """For editors that complete and check YAML."""
    return json.dumps(StudyConfig.model_json_schema(), indent=2) + "\n"
