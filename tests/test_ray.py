"""Real Ray: the same numbers as in one process, workers that die, a driver that is killed at any moment."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from evenkeel.study.file.locations import own_database_uri
from evenkeel.study.records.folder import Folder
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.records.search_journal import SearchJournal
from evenkeel.study.records.table import table_from_ledger
from evenkeel.study.run.ray_nodes import quiet_tune
from evenkeel.study.tracking.mlflow_table import table_from_mlflow

pytestmark = pytest.mark.slow


def start(tiny, storage, *more):
    command = [sys.executable, "-m", "evenkeel", "run", str(tiny), "--storage", str(storage), "--workers", "2", *more]
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    out, error = process.communicate(timeout=300)
    assert "Traceback" not in error, error
    return process.returncode, out, error


def numbers(table):
    return table.drop(columns=["wall_s", "host", "versions"])


def table_of(storage):
    return table_from_ledger(Ledger(str(storage), "tiny"))


@pytest.fixture(scope="module")
def whole(study, tmp_path_factory):
    """The undisturbed study, without Ray."""
    storage = tmp_path_factory.mktemp("whole")
    assert finish(start(study, storage, "--serial"))[0] == 0
    return table_of(storage)


def test_a_killed_driver_loses_and_doubles_nothing(study, whole, tmp_path):
    """kill -9 of the driver, then the same command: the same table as undisturbed, in ledger and MLflow."""
    process = start(study, tmp_path)
    deadline = time.time() + 120
    while len(list((tmp_path / "trials").glob("*.json"))) < 20 and time.time() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    recorded = Ledger(str(tmp_path), "tiny").ids()
    assert 20 <= len(recorded) < len(whole)
    code, out, error = finish(start(study, tmp_path))
    # Workers outlive their driver for a moment and may still finish a pack: what they record counts.
    assert code == 0 and 0 < int(re.search(r"\((\d+) new\)", out)[1]) <= len(whole) - len(recorded)
    pd.testing.assert_frame_equal(numbers(table_of(tmp_path)), numbers(whole), rtol=1e-6, atol=1e-6)
    tracked = table_from_mlflow(own_database_uri(tmp_path), "tiny")
    pd.testing.assert_frame_equal(tracked, table_of(tmp_path))
    assert len(error.splitlines()) < 12, error


def test_a_search_waits_for_no_trial_and_is_what_it_was_after_a_kill(tmp_path):
    """Trials of lengths that differ tenfold on two workers; kill -9 in the middle, then the same command."""
    study, storage = tmp_path / "tiny.yaml", tmp_path / "st"
    study.write_text(
        "name: tiny\ndata: {name: digits-mlt}\nlosses: [{loss: ral, fixed: {focusing: full}}]\nseeds: 1\n"
        'trainable: {name: "benchmarks.instant:Instant", trial_s: 0.2, spread: 10}\n'
        "designs: {search: {trials: 9, batch: 2, fresh_seeds: 1}}\nresources: {workers: 2, pack_size: 1}\n"
    )
    process = start(study, storage, "--track-later")
    deadline = time.time() + 120
    while len(list((storage / "trials").glob("*.json"))) < 4 and time.time() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = SearchJournal(Folder(str(storage)), print).read()
    assert finish(start(study, storage, "--track-later"))[0] == 0
    after = SearchJournal(Folder(str(storage)), print).read()
    assert after[: len(before)] == before
    asked = {e["proposal"]: e["setting"] for e in after if "setting" in e}
    records = [r for r in Ledger(str(storage), "tiny").records() if r.trial.design == "search"]
    assert len(records) == 9 and all(asked[r.trial.proposal].items() <= r.trial.setting.items() for r in records)
    first, second, third = sorted(records, key=lambda r: r.trial.proposal)[:3]
    assert min(first.ended, second.ended) <= third.started < max(first.ended, second.ended)


@pytest.mark.long
def test_workers_ask_one_judge_whether_a_trial_ends_early(tmp_path):
    """Two workers, curves that never cross: what is stopped was worse than what others had at that epoch."""
    (tmp_path / "train.py").write_text(
        "import time\n\ndef train(seed, report, rate=0.5, epochs=9):\n    for epoch in range(1, epochs + 1):\n"
        "        time.sleep(0.02)\n        report(epoch, val_accuracy=rate * epoch / 9)\n"
        "    return {split: {'accuracy': rate} for split in ('val', 'test')}\n"
    )
    (tmp_path / "tiny.yaml").write_text(
        'name: tiny\ntrainable: {name: "train.py:train"}\nspaces: {rate: {low: 0.0, high: 1.0}}\nmetric: accuracy\n'
        "designs: {search: {trials: 12, batch: 2, fresh_seeds: 2, pruner: asha}}\nseeds: 1\nresources: {pack_size: 1}\n"
    )
    assert finish(start(tmp_path / "tiny.yaml", tmp_path / "st"))[0] == 0
    records = list(Ledger(str(tmp_path / "st"), "tiny").records())
    stopped = [r for r in records if r.state == "censored"]
    assert stopped and {r.trial.design for r in stopped} == {"search"} and len(records) == 12 + 2 * 2
    for record in stopped:
        own, *rivals = map(float, re.findall(r"(?:val_accuracy|\d+:) (0\.\d+)", record.note))
        assert own == pytest.approx(record.curves["val_accuracy"][-1], rel=1e-3) and own < max(rivals)
    tracked = table_from_mlflow(own_database_uri(tmp_path / "st"), "tiny")
    assert (tracked.state == "censored").sum() == len(stopped)


def test_a_trial_that_kills_its_worker_fails_alone(tmp_path):
    """A user's loss that ends its process: pack mates are done, the guilty trial is recorded with what happened."""
    (tmp_path / "deadly.py").write_text(
        "import os\nfrom dataclasses import dataclass\nfrom evenkeel.search_spaces import Float, Space\n"
        "from evenkeel.trainables.losses import Bce\n"
        "SPACE = Space({'weight': Float(low=0.0, high=2.0, default=1.0, symbol='w', source='-')})\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Deadly:\n    weight: float = 1.0\n"
        "    def __call__(self, logits, targets):\n"
        "        values = self.weight if isinstance(self.weight, float) else self.weight.max().item()\n"
        "        if values == 2.0: os._exit(1)\n"
        "        return self.weight * Bce()(logits, targets)\n"
    )
    (tmp_path / "tiny.yaml").write_text(
        "extends: demo\nname: tiny\ntrainable: {backbone: {warm_start: null}, epochs: 2, batch: 1024}\n"
        "losses: [bce, {loss: 'deadly:Deadly', label: deadly}]\n"
        "designs: {sweep: {levels: 3}, sobol: null, search: null}\nseeds: 1\nresources: {retries: 0}\n"
    )
    code, out, error = finish(start(tmp_path / "tiny.yaml", tmp_path / "storage", "--workers", "1"))
    assert code == 1 and "3 done, 0 diverged, 1 failed" in out, error
    records = Ledger(str(tmp_path / "storage"), "tiny").read_all().values()
    (failed,) = [r for r in records if r.state == "failed"]
    assert (
        failed.trial.hyperparameters == {"weight": 2.0}
        and "worker process died without a word: it ended itself" in failed.note
    )
    status = subprocess.run(
        [sys.executable, "-m", "evenkeel", "status", str(tmp_path / "tiny.yaml"), "--json", "--storage",
         str(tmp_path / "storage")], capture_output=True, text=True, check=False)  # fmt: skip
    assert status.returncode == 1 and json.loads(status.stdout)["total"]["failed"] == 1


def test_an_unreachable_cluster_is_one_message(study, tmp_path):
    code, _, error = finish(start(study, tmp_path, "--address", "127.0.0.1:1"))
    assert code == 3 and "Ray cluster 127.0.0.1:1: cannot be reached" in error
    assert Ledger(str(tmp_path), "tiny").ids() == set()


def test_a_pack_is_called_by_its_losses_and_seed():
    from evenkeel.study.run.pack import Pack
    from evenkeel.study.run.tune_classes import name_pack
    from evenkeel.trainables import Trial

    same = {"loss": "ral", "hyperparameters": {}, "data": {}, "trainable": {}, "design": "sweep", "seed": 3}
    pack = Pack(12, [Trial(label=label, **same) for label in ("ral", "a/b c", "ral")])
    assert name_pack(pack) == "pack12_a-b-c+ral_seed3"


def test_a_sweep_of_the_users_own_has_tune_as_it_was(monkeypatch):
    monkeypatch.setenv("TUNE_DISABLE_SIGINT_HANDLER", "0")
    before = dict(os.environ)
    with quiet_tune(TUNE_MAX_PENDING_TRIALS_PG="3"):
        names = ("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "TUNE_MAX_PENDING_TRIALS_PG", "TUNE_DISABLE_SIGINT_HANDLER")
        assert [os.environ[name] for name in names] == ["1", "3", "0"]
    assert dict(os.environ) == before


def test_what_tune_writes_is_kept_when_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    study = {"name": "kept", "data": {"name": "digits-mlt"}, "losses": ["bce"], "designs": {"sweep": {}}, "seeds": 2}
    study |= {"trainable": {"name": "benchmarks.instant:Instant"}, "resources": {"pack_size": 1}}
    (tmp_path / "kept.yaml").write_text(json.dumps(study))
    words = ["run", "kept.yaml", "--storage", "st", "--workers", "1", "--keep-tune"]
    subprocess.run([sys.executable, "-m", "evenkeel", *words], cwd=tmp_path, check=True, capture_output=True)
    kept = {path.parent.name: json.loads(path.read_text()) for path in tmp_path.glob("st/tune/*/*/result.json")}
    assert set(kept) == {"pack1_bce_seed0", "pack2_bce_seed1"}
    assert all(result["trials/done"] == result["num_trials"] == 1 for result in kept.values())
    assert len(list(tmp_path.glob("st/tune/*/*/events.out.tfevents.*"))) == 2
