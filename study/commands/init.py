"""`evenkeel init FOLDER`: the first study file, from what lies in a folder of images and tables, or from a train.py."""

import argparse
import os
import re
import sys
from pathlib import Path

from evenkeel.study.commands.data_summary import show_data
from evenkeel.study.commands.first_file import CHECK, data_study, function_study
from evenkeel.study.errors import UserError
from evenkeel.study.plain_text import visible
from evenkeel.trainables import TrainableError
from evenkeel.trainables.data.guess.guess import guess_data
from evenkeel.trainables.function.first_look import look_at_function

DEFAULT_NAME = "study.yaml"


def execute(options: argparse.Namespace) -> int:
    """Write the file, say what was understood and what comes next. Raises UserError where nothing is understood."""
    place = Path(options.folder).expanduser()
    if not place.exists():
        raise UserError(f"init {options.folder}: no such folder or file")
    script = place if place.is_file() else place / "train.py"
    folder = script.parent
    output = Path(options.output).expanduser() if options.output else folder / DEFAULT_NAME
    if output.exists():
        raise UserError(f"{output}: is there already; give -o FILE for another, or remove it")
    try:
        text = _of_function(script, output) if script.exists() else _of_data(folder, output)
    except TrainableError as error:
        raise UserError(f"init {options.folder}: {error}") from error
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"-o {output}: cannot be written ({error.strerror}); give -o FILE elsewhere") from error
    num, tried = text.count(CHECK), " --try" if script.exists() else ""
    checks = f"{num} line{'s' if num != 1 else ''} to check"
    sys.stdout.write(f"{visible(output)}: {checks}; then: evenkeel plan {visible(output)}{tried}\n")
    return 0


def _of_data(folder: Path, output: Path) -> str:
    guess = guess_data(folder)
    if guess.summary:
        show_data(guess.summary)
    guess.keys["root"] = os.path.relpath(folder.resolve(), output.resolve().parent)
    return data_study(_name(folder), guess)


def _of_function(script: Path, output: Path) -> str:
    if script.suffix != ".py":
        raise UserError(f"init {script}: give a folder, or a Python file with a function train(seed, ...)")
    if script.resolve().parent != output.resolve().parent:
        raise UserError(f"-o {output}: a study file lies beside the function that it names, in {script.parent}")
    look, guess = look_at_function(script), None
    if "data" in look.supplied:
        try:
            guess = guess_data(script.parent)
            guess.keys["root"] = "."
        except TrainableError:  # no images beside it: data of ours stands for them
            guess = None
    return function_study(_name(script.parent), look, guess)


def _name(folder: Path) -> str:
    """A study's name of a folder's: letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", folder.resolve().name).strip("-._") or "study"
