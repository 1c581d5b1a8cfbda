"""The first study file: a preset printed whole, its schema for editors, completion, hints for misspelt names."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from evenkeel.study.commands.presets import render_preset
from evenkeel.study.errors import EXIT_BAD_INPUT
from evenkeel.study.file.read import PRESETS, load_study
from evenkeel.study.file.schema import render_schema
from evenkeel.trainables.errors import nearest

ROOT = Path(__file__).parent.parent
NAMES = [path.stem for path in PRESETS.glob("*.yaml")]


@pytest.mark.parametrize("name", NAMES)
def test_a_printed_preset_is_whole_and_the_same_study(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "printed.yaml").write_text(render_preset(name))
    assert "extends" not in yaml.safe_load(render_preset(name))
    assert load_study("printed.yaml") == load_study(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_that_a_printed_preset_names_accepts_it(name):
    first, _, text = render_preset(name).partition("\n")
    (path,) = re.findall(r"^# yaml-language-server: \$schema=(.*)$", first)
    jsonschema.validate(yaml.safe_load(text), json.loads(Path(path).read_text()))


def evenkeel(*words: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "evenkeel", *words]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)


def test_a_preset_that_is_not_there_is_named():
    done = evenkeel("presets", "dmo")
    assert done.returncode == EXIT_BAD_INPUT and "did you mean 'demo'?" in done.stderr


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("evenkeel pl", {"plan"}),
        ("evenkeel plan corel", {"corel5k"}),
        ("evenkeel plan my", {"my-study.yaml"}),
        ("evenkeel presets nih", {"nih-cxr14"}),
        ("evenkeel run demo --acc", {"--accept-changes"}),
    ],
)
def test_a_shell_completes_commands_presets_files_and_options(line, offered, tmp_path):
    """As bash asks by way of argcomplete: the line and the cursor in variables, words on a file."""
    (tmp_path / "my-study.yaml").touch()
    (tmp_path / "mine.txt").touch()
    shell = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "words")}
    shell |= {"COMP_LINE": line, "COMP_POINT": str(len(line)), "PYTHONPATH": str(ROOT)}
    code = "from evenkeel.study.cli import entry; entry()"
    subprocess.run([sys.executable, "-c", code], env=os.environ | shell, cwd=tmp_path, capture_output=True, timeout=60)
    assert {word.strip() for word in (tmp_path / "words").read_text().splitlines()} == offered


@pytest.mark.parametrize(
    "change", [{"sedes": 3}, {"seeds": "x"}, {"losses": [3]}, {"trainable": {"name": "probe", "epoch": 3}}]
)
def test_the_schema_refuses_what_an_editor_should_mark(change):
    schema, study = json.loads(render_schema()), yaml.safe_load(render_preset("demo"))
    jsonschema.validate(study, schema)
    jsonschema.validate({"extends": "demo", "seeds": 3}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(study | change, schema)


@pytest.mark.parametrize(
    ("name", "valid", "hint"),
    [
        ("sedes", ["seeds", "losses"], "did you mean 'seeds'?"),
        ("f2", ["f1", "map"], "did you mean 'f1'?"),
        ("lambda", ["hill_lambda", "gamma_neg"], "did you mean 'hill_lambda'?"),
        ("accuracy", ["mauc", "map", "f1"], "valid: f1, map, mauc"),
        ("gamma", ["gamma_neg", "gamma_pos"], "valid: gamma_neg, gamma_pos"),
        ("ASL", ["asl", "bce"], "did you mean 'asl'?"),
        ("x", ["y", "lr"], "valid: lr, y"),
        ("anything", [], "valid: "),
        (
            "anything",
            [f"m{i}" for i in range(1000, 2302)],
            f"valid: {', '.join(f'm{i}' for i in range(1000, 1060))} and 1,242 more",
        ),
    ],
)
def test_a_hint_is_given_only_for_a_near_name(name, valid, hint):
    assert nearest(name, valid) == hint
