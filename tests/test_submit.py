"""A study as a Ray job, on a head with its job server; needs what evenkeel[cluster] brings."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from benchmarks.servers import free_port, wait_for
from evenkeel.study.errors import EXIT_BAD_INPUT, EXIT_CLUSTER, EXIT_INTERRUPTED, EXIT_OK, UserError
from evenkeel.study.file.read import PRESETS, load_study
from evenkeel.study.plan.planner import make_planner
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.run.ray_jobs import _copy_code, _copy_named
from evenkeel.trainables import own_code

pytestmark = pytest.mark.slow
LIMIT_S = 120
OK, WANTS_A_TOKEN = 200, 401
STUDY = """
name: sent
data: {name: digits-mlt}
trainable: {name: "own_instant:Own", trial_s: 1}
losses: [{loss: ral, fixed: {focusing: full}}]
designs: {sweep: {levels: 3}}
seeds: 2
resources: {pack_size: 2}
"""
BESIDE = "from benchmarks.instant import Instant\nclass Own(Instant):\n    '''A user's own module.'''\n"


@pytest.fixture(scope="module")
def server():
    """The address of a head's job server."""
    if importlib.util.find_spec("opencensus") is None:
        pytest.skip("evenkeel[cluster] is not installed")
    port, dashboard, folder = free_port(), free_port(), Path(tempfile.mkdtemp(prefix="ek-"))
    command = [Path(sys.executable).with_name("ray"), "start", "--head", "--block", f"--port={port}", "--num-cpus=2",
               "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}", "--disable-usage-stats",
               "--node-ip-address=127.0.0.1", "--object-store-memory=80000000"]  # fmt: skip
    where = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": ":".join(sys.path),
        "RAY_TMPDIR": str(folder),
    }
    with (folder / "log").open("w") as log:
        head = subprocess.Popen(command, env=os.environ | where, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(lambda: _answers(dashboard), LIMIT_S, (folder / "log").read_text)
        yield f"http://127.0.0.1:{dashboard}"
    finally:
        os.killpg(head.pid, signal.SIGTERM)
        head.wait(LIMIT_S)
        shutil.rmtree(folder, ignore_errors=True)


def _answers(port):
    import requests

    try:
        return requests.get(f"http://127.0.0.1:{port}/api/version", timeout=2).status_code in (OK, WANTS_A_TOKEN)
    except requests.RequestException:
        return False


@pytest.fixture
def study(tmp_path):
    (tmp_path / "own_instant.py").write_text(BESIDE)
    (tmp_path / "sent.yaml").write_text(STUDY)
    return tmp_path / "sent.yaml"


def evenkeel(command, study, server, *more):
    words = [str(study), "--storage", str(study.parent / "storage"), "--address", server, *more]
    done = subprocess.run([sys.executable, "-m", "evenkeel", command, *words], capture_output=True, text=True,
                          timeout=LIMIT_S)  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_a_study_is_submitted_stopped_submitted_again_and_followed_to_its_end(server, study, monkeypatch):
    records = study.parent / "storage" / "trials"
    assert "follow it" in evenkeel("submit", study, server).stdout
    wait_for(lambda: len(list(records.glob("*.json"))) >= 2, LIMIT_S, lambda: evenkeel("logs", study, server).stdout)
    again = evenkeel("submit", study, server)
    assert again.returncode == EXIT_BAD_INPUT and "runs this study already" in again.stderr
    assert "running packs finish" in evenkeel("stop", study, server).stdout
    stopped = evenkeel("submit", study, server, "--follow")  # what runs already is followed
    assert "SIGTERM: running packs finish" in stopped.stdout and stopped.returncode == EXIT_INTERRUPTED, stopped.stdout
    monkeypatch.syspath_prepend(str(study.parent))  # its own code decides a trial too
    planned = {trial.id for trial in make_planner(load_study(str(study))).planned()}
    assert 0 < len(Ledger(str(records.parent), "sent").ids()) < len(planned)
    assert evenkeel("submit", study, server, "--set", "trainable.trial_s=0").returncode == EXIT_OK
    ended = evenkeel("logs", study, server, "--follow")
    assert ended.returncode == EXIT_OK and f"{len(planned)} done" in ended.stdout, ended.stdout
    assert Ledger(str(records.parent), "sent").ids() == planned


def test_what_cannot_be_submitted_is_one_message(study, tmp_path):
    nobody = f"http://127.0.0.1:{free_port()}"
    assert evenkeel("submit", study, "auto").returncode == EXIT_BAD_INPUT
    secret = evenkeel("submit", study, nobody, "--tracking-uri", "http://ann:hush@host:5000")
    assert secret.returncode == EXIT_BAD_INPUT and "holds a password or token" in secret.stderr
    assert "hush" not in secret.stderr and "ann" not in secret.stderr
    away = evenkeel("submit", study, nobody)
    assert away.returncode == EXIT_CLUSTER and f"job server {nobody}" in away.stderr
    done = subprocess.run([sys.executable, "-m", "evenkeel", "submit", str(study)], capture_output=True, text=True)
    assert done.returncode == EXIT_BAD_INPUT and "give --storage" in done.stderr


def test_what_travels_beside_a_study_shadows_nothing(tmp_path):
    there, to = tmp_path / "there", tmp_path / "to"
    for folder in (there / "helpers", there / "data", there / "json", to):
        folder.mkdir(parents=True)
    for name in ("mine.py", "yaml.py", "sys.py", "helpers/__init__.py", "json/__init__.py", "data/table.csv"):
        (there / name).touch()
    _copy_code(there, to)
    assert {str(path.relative_to(to)) for path in to.rglob("*.*")} == {"mine.py", "helpers/__init__.py"}


def test_a_function_that_a_study_names_by_its_file_travels_with_its_script(tmp_path, monkeypatch):
    there, to = tmp_path / "there", tmp_path / "to"
    for folder in (there / "code", to):
        folder.mkdir(parents=True)
    monkeypatch.setattr(own_code, "FOLDERS", [str(there)])
    (there / "code" / "trained_here.py").write_text("def train(seed): return 'trained_here.sh'\n")
    for name in ("code/trained_here.sh", "code/other.sh", "json.py"):
        (there / name).write_text("def train(seed): ...\n")
    _copy_named(["code/trained_here.py:train", "module:Class"], to)
    assert {str(path.relative_to(to)) for path in to.rglob("*.*")} == {"code/trained_here.py", "code/trained_here.sh"}
    with pytest.raises(UserError, match="json.py: is called as an installed module, and would hide it"):
        _copy_named(["json.py:train"], to)
    monkeypatch.setattr(own_code, "FOLDERS", [str(there / "code")])
    (there / "elsewhere_here.py").write_text("def train(seed): ...\n")
    with pytest.raises(UserError, match="elsewhere_here.py: a job brings what lies in the study file's folder"):
        _copy_named(["../elsewhere_here.py:train"], to)


@pytest.mark.parametrize("name", sorted(path.stem for path in PRESETS.glob("*.yaml")))
def test_a_study_that_was_understood_is_the_same_study_elsewhere(name, tmp_path):
    """What travels is the study file as it was understood."""
    import yaml

    config = load_study(name)
    (tmp_path / "sent.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))
    assert load_study(str(tmp_path / "sent.yaml")) == config
