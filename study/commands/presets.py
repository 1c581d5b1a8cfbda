"""`evenkeel presets`: what can be run at once."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping

import yaml

from evenkeel.study.file.read import PRESETS
from evenkeel.study.file.study import StudyConfig
from evenkeel.study.terminal import print_table


def execute(options: argparse.Namespace) -> int:
    """List the presets, or print the JSON schema of study files."""
    if options.keys:
        from evenkeel.study.file.keys import render_keys

        sys.stdout.write(render_keys())
        return 0
    if options.schema:
        sys.stdout.write(render_schema())
        return 0
    print_table(["preset", "what it runs", "what it reproduces"], _rows(), num_words=3)
    return 0


def _rows() -> Iterator[tuple[str, str, str]]:
    for path in sorted(PRESETS.glob("*.yaml")):
        study = yaml.safe_load(path.read_text(encoding="utf-8"))
        yield path.stem, _words(study, "description"), _words(study, "reproduces")


def _words(study: Mapping[str, str], key: str) -> str:
    return " ".join(study.get(key, "").split())


def render_schema() -> str:
    """For editors that complete and check YAML."""
    return json.dumps(StudyConfig.model_json_schema(), indent=2) + "\n"
