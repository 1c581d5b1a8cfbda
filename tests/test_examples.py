"""The examples of training functions run as docs/training_functions.md shows them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from evenkeel.study.records.ledger import Ledger

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/study.yaml"))
BESIDE = ROOT / "examples" / "beside"
PAGE = ROOT / "docs" / "training_functions.md"
SMALL = {
    "scikit_learn": ["designs.sweep.levels=2"],
    "plain_pytorch": ["trainable.epochs=1", "designs.sweep.levels=2"],
    "plain_timm": ["designs.sweep.levels=2", "trainable.epochs=1"],
    "any_language": ["designs.sweep.levels=2", "designs.sobol.m=1"],
}
"""What a test leaves out of each."""
MARKED = [
    pytest.param(path, id=path.name, marks=[pytest.mark.long] if path.name == "plain_timm" else []) for path in EXAMPLES
]


def evenkeel(folder, *words):
    command = [sys.executable, "-m", "evenkeel", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, env=os.environ)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("example", MARKED)
def test_an_example_is_tried_run_and_reported(example, tmp_path):
    folder = tmp_path / example.name
    shutil.copytree(example, folder)
    small = [word for key in ("seeds=2", *SMALL[example.name]) for word in ("--set", key)]
    name, metric = (yaml.safe_load((folder / "study.yaml").read_text())[key] for key in ("name", "metric"))
    tried = evenkeel(folder, "plan", "study.yaml", *small, "--try")
    assert "tried" in tried and f"done, {metric} " in tried
    evenkeel(folder, "run", "study.yaml", "--serial", *small)
    records = Ledger(str(folder / "studies" / name), name).read_all().values()
    assert len(records) >= 4 and {record.state for record in records} == {"done"}
    assert all(record.metrics[f"test_{metric}"] is not None for record in records)
    evenkeel(folder, "report", "study.yaml", *small)
    assert metric in (folder / "studies" / name / "report.html").read_text()


@pytest.mark.whole
def test_the_table_of_the_gallery_becomes_a_page(tmp_path):
    script = (ROOT / "examples" / "table" / "sweep.py").read_text().replace("range(10)", "range(2)")
    command = [sys.executable, "-W", "ignore", "-c", script]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=300)
    mapping = str(ROOT / "examples" / "table" / "runs.yaml")
    evenkeel(tmp_path, "report", "--runs", "runs.csv", "--mapping", mapping, "-o", "page.html")
    assert all(loss in (tmp_path / "page.html").read_text() for loss in ("log_loss", "hinge", "modified_huber"))


def test_every_example_is_shown_whole():
    text = PAGE.read_text()
    for example in (*EXAMPLES, BESIDE):
        for path in sorted(example.iterdir()):
            if path.is_file():
                assert path.read_text().strip() in text, path


def test_the_shortest_example_needs_twelve_lines_of_each():
    shortest = ROOT / "examples" / "scikit_learn"
    for name in ("train.py", "study.yaml"):
        lines = [line for line in (shortest / name).read_text().splitlines() if line.strip()]
        assert len(lines) <= 12, name


def test_the_sweep_of_optuna_on_the_page_runs(tmp_path):
    shutil.copy(ROOT / "examples" / "scikit_learn" / "train.py", tmp_path)
    script = (BESIDE / "optuna_sweep.py").read_text().replace("range(5)", "range(1)").replace("* 5", "* 1")
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 2 + 9, done.stderr


@pytest.mark.slow
@pytest.mark.long
def test_the_sweep_of_ray_tune_on_the_page_runs(tmp_path):
    shutil.copy(ROOT / "examples" / "scikit_learn" / "train.py", tmp_path)
    script = (BESIDE / "ray_tune_sweep.py").read_text().replace("range(5)", "range(1)").replace(", 10, 13, 16]", "]")
    (tmp_path / "sweep.py").write_text(script.replace(", 0.106, 0.473, 1.0]", "]"))
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}", "HOME": str(tmp_path)}
    environment["RAY_ADDRESS"] = "local"  # another test's cluster may be there
    command = [sys.executable, "sweep.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0 and "mean" in done.stdout, done.stderr[-2000:]
