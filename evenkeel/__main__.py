"""`python -m evenkeel` is the command `evenkeel`."""

import sys
from pathlib import Path

if Path(sys.path[0]) == Path.cwd():  # Python puts the working folder first: a yaml.py lying there would be run
    del sys.path[0]

from evenkeel.study.cli import entry

entry()
