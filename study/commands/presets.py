"""`evenkeel presets`: what can be run at once."""

import argparse
import json
import sys
from pathlib import Path

import yaml

from study.commands.tables import show
from study.file.read import PRESETS
from study.file.study import StudyConfig


def execute(options: argparse.Namespace) -> int:
    """List the presets, or print the JSON schema of study files."""
    if options.keys:
        from study.file.keys import page

        sys.stdout.write(page())
        return 0
    if options.schema:
        sys.stdout.write(schema())
        return 0
    show(["", ""], [(path.stem, _description(path)) for path in sorted(PRESETS.glob("*.yaml"))], words=2)
    return 0


def _description(path: Path) -> str:
    return " ".join(yaml.safe_load(path.read_text(encoding="utf-8")).get("description", "").split())


def schema() -> str:
    """For editors that complete and check YAML."""
    return json.dumps(StudyConfig.model_json_schema(), indent=2) + "\n"
