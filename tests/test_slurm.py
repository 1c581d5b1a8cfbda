"""A real Slurm on this machine: jobs are submitted, signalled and put back into the queue as deploy/ says.

Needs root and Debian's packages slurmctld, slurmd, slurm-client and munge, so it has a target of its own:
make test-slurm.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from evenkeel.study.file.read import load_study
from evenkeel.study.plan.planner import make_planner
from evenkeel.study.records.ledger import Ledger

ROOT = Path(__file__).parent.parent
TOOLS = ("slurmctld", "slurmd", "sbatch", "munged", "unshare")
LIMIT_S = 400
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("EVENKEEL_SLURM" not in os.environ, reason="make test-slurm"),
]
STUDY = """
name: slurm
data: {name: digits-mlt}
trainable: {name: "benchmarks.instant:Instant", trial_s: 0.3}
losses: [{loss: ral, fixed: {focusing: full}}]
designs: {sweep: {levels: 4}}
seeds: 4
resources: {pack_size: 2}
"""
WAIT = """
num_recorded() { find st/trials -name '*.json' 2> /dev/null | wc -l; }
until [ "$(num_recorded)" -ge 5 ]; do sleep 0.3; done
"""
FINISH = """
for _ in $(seq 300); do
  if [ -z "$(squeue --noheader)" ]; then break; fi
  squeue --noheader --format '%i %T %r'
  sleep 1
done
scontrol show job --oneliner
"""


@pytest.fixture
def cluster():
    """Runs a script beside a Slurm of one node; its folder, where the study lies."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    assert not missing and os.geteuid() == 0, f"needs root, and {missing}"
    folder = Path(tempfile.mkdtemp(prefix="ek-slurm-"))
    (folder / "study.yaml").write_text(STUDY)
    for name, source in (("slurm.sh", "slurm.sh"), ("slurm-array.sh", "slurm-array.sh")):
        shutil.copy(ROOT / "deploy" / source, folder / name)

    def run(script: str) -> str:
        (folder / "script").write_text(script)
        command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash",
                   str(ROOT / "tests" / "slurm_node.sh"), str(folder / "slurm"), "bash", "-eu", "script"]  # fmt: skip
        where = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        where |= {"EVENKEEL_CACHE": str(folder / "cache")}
        with (folder / "out").open("w") as out:
            subprocess.run(command, cwd=folder, env=os.environ | where, stdout=out, stderr=out, timeout=LIMIT_S)
        logs = [path.read_text() for path in sorted(folder.glob("slurm-*.out"))]
        return "\n".join([(folder / "out").read_text(), *logs])

    yield folder, run
    shutil.rmtree(folder)


def signalled_to_the_end(cluster, submit, signals):
    """What was said while a study was submitted, signalled and run to its end; every trial of it is recorded once."""
    folder, run = cluster
    words = run(f"sbatch {submit} study.yaml --storage st\n{WAIT}{signals}\n{FINISH}")
    planned = {trial.id for trial in make_planner(load_study(str(folder / "study.yaml"))).planned()}
    records = Ledger(str(folder / "st"), "slurm").read_all()
    assert set(records) == planned, words
    assert Counter(record.state for record in records.values()) == {"done": len(planned)}
    assert (folder / "st" / "tracked.json").exists(), words
    assert "SIGTERM: running packs finish" in words
    return words


def test_tasks_of_an_array_that_are_requeued_complete_the_study(cluster):
    """One task is put back by Slurm while it runs, one gets the signal that comes before a time limit."""
    submit = "--array=1-2 --cpus-per-task=1 --mem=100 slurm-array.sh"
    signals = "scontrol requeue 1_1\nscancel --signal=TERM 1_2"
    assert "shard 2/2" in signalled_to_the_end(cluster, submit, signals)


def test_a_job_with_ray_is_signalled_and_goes_on_in_another_turn(cluster):
    submit = "--nodes=1 --gpus-per-node=0 --cpus-per-task=2 --mem=500 slurm.sh"
    assert "Restarts=1" in signalled_to_the_end(cluster, submit, "scancel --batch --signal=TERM 1")
