"""torchvision beside a torch that fits its compiled operators, and beside one that does not.

The test suite meets one of the two for real, whichever is installed; `make test-fitting-torchvision` meets the other.
"""

import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = """
from contextlib import suppress
from pathlib import Path
import torch

with suppress(OSError):
    torch.ops.load_library(str(Path(__file__).parent / "_C_stable.so"))
torch.library.register_fake("torchvision::nms")(lambda dets, scores, threshold: dets)
"""
"""Like torchvision: its operators if they can be loaded, then something that wants them to be there."""

IMPORTS = """
import sys
import torch

fits, loaded = sys.argv[1] == "fits", []

def load_library(path):
    if not fits:
        raise OSError(f"{path}: undefined symbol")
    if path not in loaded:
        loaded.append(path)
        library = torch.library.Library("torchvision", "FRAGMENT")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        loaded.append(library)

torch.ops.load_library = load_library
from evenkeel.trainables.models.torchvision_pair import import_torchvision

import_torchvision()
import_torchvision()
print(torch.ops.torchvision.nms)
"""


@pytest.mark.parametrize("pair", ["fits", "does not fit"])
def test_torchvision_is_imported(pair, tmp_path):
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(PACKAGE)
    (package / "_C_stable.so").touch()
    found = subprocess.run(
        [sys.executable, "-c", IMPORTS, pair],
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[1]}", "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert found.stdout.strip() == "torchvision.nms", found.stderr
