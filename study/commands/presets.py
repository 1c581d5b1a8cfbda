"""`evenkeel presets`: what can be run at once."""

import argparse
import sys
from collections.abc import Iterator, Mapping

import yaml

from evenkeel.study.errors import UserError
from evenkeel.study.file.read import PRESETS, find_study, read_values
from evenkeel.study.file.schema import render_schema
from evenkeel.study.terminal import print_table

SCHEMA_LINE = f"# yaml-language-server: $schema={PRESETS.parent / 'study.schema.json'}"
"""The first line of a study file, by which editors complete and check it: the schema lies beside the package."""


def execute(options: argparse.Namespace) -> int:
    """List the presets, print one whole, or print the keys or the JSON schema of study files."""
    if options.preset:
        sys.stdout.write(render_preset(options.preset))
        return 0
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


def render_preset(name: str) -> str:
    """A preset as one file that can be changed and run: what it extends is written out, its comments are kept where it
    extends nothing. Raises UserError for a name that is no preset."""
    path = find_study(name)
    if path.parent != PRESETS:
        raise UserError(f"{name}: not a preset; evenkeel presets lists them")
    text = path.read_text(encoding="utf-8")
    if "extends" in yaml.safe_load(text):
        text = yaml.safe_dump(read_values(path), sort_keys=False, allow_unicode=True, width=120)
    return f"{SCHEMA_LINE}\n{text}"
