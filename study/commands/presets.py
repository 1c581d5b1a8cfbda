"""`evenkeel presets`: what can be run at once."""

import argparse
import json
import sys

import yaml

from study.file.read import PRESETS
from study.file.study import StudyConfig


def execute(options: argparse.Namespace) -> int:
    """List the presets, or print the JSON schema of study files."""
    if options.schema:
        sys.stdout.write(schema())
        return 0
    for path in sorted(PRESETS.glob("*.yaml")):
        description = yaml.safe_load(path.read_text(encoding="utf-8")).get("description", "")
        sys.stdout.write(f"{path.stem:12} {' '.join(description.split())}\n")
    return 0


def schema() -> str:
    """For editors that complete and check YAML."""
    return json.dumps(StudyConfig.model_json_schema(), indent=2) + "\n"
