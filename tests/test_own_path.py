"""Modules of a user's: those that a study file names and what these import, and no others that lie beside them."""

import subprocess
import sys

import pytest

import evenkeel

LOSS = """
from dataclasses import dataclass
from evenkeel.search_spaces import Float, Space
import helper

SPACE = Space({"weight": Float(low=0.5, high=4.0, default=1.0, symbol="w", source="ours")})


@dataclass(frozen=True, kw_only=True)
class Mine:
    weight: float = 1.0

    def __call__(self, logits, targets):
        import late_helper

        return self.weight * helper.bce(logits, targets)
"""
HELPER = """
from torch.nn.functional import softplus


def bce(logits, targets):
    return softplus(logits) - targets * logits
"""
STUDY = (
    "extends: demo\nname: mine\nlosses: [{loss: 'my_losses:Mine', label: mine}]\nseeds: 1\n"
    "designs: {sweep: {levels: 2}, sobol: null, search: null}\n"
    "trainable: {backbone: {warm_start: null}, epochs: 1}\n"
)
OPTIONAL = ("numexpr", "bottleneck", "botocore", "IPython", "cupy", "polars", "jax", "xarray", "orjson", "kaleido")
"""What numpy, pandas, optuna, plotly, rich and others try to import where it is installed."""


@pytest.fixture
def folder(tmp_path):
    write_study_of_own(tmp_path)
    return tmp_path


def write_study_of_own(folder):
    """A study with a loss of its own, beside files that bear the names of optional packages."""
    (folder / "my_losses.py").write_text(LOSS)
    (folder / "helper.py").write_text(HELPER)
    (folder / "late_helper.py").write_text("")
    (folder / "mine.yaml").write_text(STUDY)
    for name in OPTIONAL:
        (folder / f"{name}.py").write_text(f"open({str(folder / 'imported')!r}, 'a').write({name!r})\n")


TRAIN = """
from values import VALUE

def train(seed):
    import late
    assert late.VALUE == VALUE
    return {"val": {"accuracy": VALUE}, "test": {"accuracy": VALUE}}
"""
TWO = """
name: {name}
trainable: {{name: "train.py:train"}}
methods: [{{name: only}}]
designs: {{sweep: {{levels: 2}}}}
seeds: 1
metric: accuracy
"""


@pytest.mark.parametrize("command", [["plan"], ["run", "--serial"], ["status"], ["report"]], ids=lambda words: words[0])
def test_no_module_is_imported_because_it_lies_in_the_folder(folder, command):
    words = [sys.executable, "-m", "evenkeel", command[0], "mine.yaml", *command[1:]]
    if command[0] in ("status", "report"):
        subprocess.run([*words[:3], "run", "mine.yaml", "--serial"], cwd=folder, check=True)
        (folder / "my_losses.py").write_text("raise SystemExit('imported')")
    ended = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    assert not (folder / "imported").exists()


def test_what_is_named_and_what_it_imports_is_found(folder):
    code = (
        "import sys\nfrom evenkeel.trainables.own_path import set_own_folders\n"
        "from evenkeel.trainables.own_code import own_object\n"
        f"set_own_folders([{str(folder)!r}])\n"
        "import torch\nloss = own_object('loss', 'my_losses:Mine')()\n"
        "loss(torch.zeros(1, 2), torch.zeros(1, 2))\n"
        "assert {'helper', 'late_helper'} <= set(sys.modules)\n"
        "try:\n    import numexpr\nexcept ModuleNotFoundError as error:\n    print(error.name)\n"
    )
    ended = subprocess.run([sys.executable, "-P", "-c", code], cwd="/", capture_output=True, text=True)
    assert ended.stdout.strip() == "numexpr", ended.stderr


def test_two_studies_in_one_process_have_each_their_own_code(tmp_path, monkeypatch):
    for name, value in (("first", 0.25), ("second", 0.75)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "values.py").write_text(f"VALUE = {value}\n")
        (tmp_path / name / "late.py").write_text(f"VALUE = {value}\n")
        (tmp_path / name / "train.py").write_text(TRAIN)
        (tmp_path / name / "study.yaml").write_text(TWO.format(name=name))
    monkeypatch.chdir(tmp_path)
    studies = [evenkeel.load(f"{name}/study.yaml") for name in ("first", "second")]
    for study, value in zip(studies, (0.25, 0.75), strict=True):
        study.run(serial=True, track_later=True)
        assert study.table["test_accuracy"].tolist() == [value]


def test_mlflow_may_be_imported_first():
    """MLflow's backport of importlib.metadata takes a method from Python's own finder."""
    code = "import mlflow; import evenkeel.trainables; from importlib.metadata import version; print(version('torch'))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
