"""Several raylets on this machine: where packs run, what a worker sees, nodes that come and go."""

import json
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from benchmarks.nodes import cluster, join, kill_head
from benchmarks.servers import wait_for
from evenkeel.study.errors import EXIT_CLUSTER
from evenkeel.study.file.read import load_study
from evenkeel.study.plan.planner import make_planner
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.run.ray_runner import RayRunner

pytestmark = pytest.mark.slow
LIMIT_S = 120

STUDY = """
name: spread
data: {name: digits-mlt}
trainable: {name: "tests.where:Where", trial_s: 0.1}
losses: [{loss: ral, fixed: {focusing: full}}]
designs: {sweep: {levels: 4}}
seeds: 3
resources: {pack_size: 3}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("nodes") / "spread.yaml"
    path.write_text(STUDY)
    return path


@pytest.fixture(scope="module")
def grid():
    """Two nodes: one with two GPUs (declared, not there) and a label, one with neither."""
    with cluster({"num_cpus": 2, "num_gpus": 2, "resources": {"left": 1}}, {"num_cpus": 1}) as made:
        yield made


def start(grid, study, storage, *settings):
    words = [word for setting in settings for word in ("--set", setting)]
    command = [
        sys.executable,
        "-m",
        "evenkeel",
        "run",
        str(study),
        "--address",
        grid.address,
        "--storage",
        str(storage),
    ]
    return subprocess.Popen([*command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process, storage, *said):
    """Records of the finished study by where they ran: {(node, process, devices): [records]}."""
    out, error = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0 and "Traceback" not in error, error
    assert len(out.splitlines()) == 1 and all(words in error for words in said), out + error
    found = defaultdict(list)
    for record in Ledger(str(storage), "spread").read_all().values():
        place = json.loads(record.note)
        found[place["node"], place["process"], place["devices"]].append(record)
    return found


def planned(study, *settings):
    return sorted(trial.id for trial in make_planner(load_study(str(study), list(settings))).planned())


@pytest.mark.long
def test_halves_of_declared_gpus_each_seen_by_its_workers_alone(grid, study, tmp_path):
    """Four halves of two GPUs, all at work at once."""
    half = ["resources.gpus=0.5", "resources.cpus=0.5", "resources.device=cpu", "trainable.meet=4"]
    found = finish(start(grid, study, tmp_path, *half), tmp_path)
    assert sorted(r.id for records in found.values() for r in records) == planned(study)
    assert Counter(devices for _, _, devices in found) == {"0": 2, "1": 2}


def test_every_node_is_asked_what_it_does(grid, tmp_path):
    with RayRunner(address=grid.address, workers=1, cpus=1, gpus=0, storage=str(tmp_path)) as runner:
        assert runner.workers == 1
        asked = runner.call_on_every_node(lambda: __import__("ray").get_runtime_context().get_node_id())
    assert set(asked) == {node.node_id for node in grid.list_all_nodes()} and len(asked) == 3


def test_a_label_keeps_packs_on_its_node_one_at_a_time(grid, study, tmp_path):
    found = finish(
        start(grid, study, tmp_path, "resources.custom={left: 1}", "seeds=1", "trainable.trial_s=0.02"), tmp_path
    )
    assert len({node for node, *_ in found}) == 1
    packs = defaultdict(list)
    for records in found.values():
        for record in records:
            packs[record.pack].append(record)
    spans = sorted((min(r.started for r in p), max(r.ended for r in p)) for p in packs.values())
    assert len(spans) > 2 and all(one[1] <= other[0] for one, other in pairwise(spans))


def test_more_than_any_node_has_is_refused(grid, study, tmp_path):
    process = start(grid, study, tmp_path, "resources.custom={left: 2}")
    _, error = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 3 and "no node has room for a worker: it needs 1 CPU, 2 left" in error
    assert "--workers" in error


@pytest.mark.long
def test_one_node_joins_and_one_dies_during_a_study(grid, study, tmp_path):
    """The three workers that there are wait for a fourth, which only the new node can give."""
    process = start(grid, study, tmp_path, "resources.pack_size=2", "trainable.meet=4", "trainable.trial_s=0.3")
    wait_for(lambda: len(list(tmp_path.glob("meeting/*"))) == 3, LIMIT_S)
    dies = max(grid.worker_nodes, key=lambda node: node.node_id)
    joined = join(grid, num_cpus=1)
    wait_for(lambda: len(list(tmp_path.glob("trials/*.json"))) >= 5, LIMIT_S)
    grid.remove_node(dies, allow_graceful=False)
    found = finish(process, tmp_path, "node gone: ", "3 remain")
    assert sorted(r.id for records in found.values() for r in records) == planned(study)
    assert all(r.state == "done" for records in found.values() for r in records)
    assert joined.node_id in {node for node, *_ in found}


def test_a_dead_head_is_one_message(grid, study, tmp_path):
    """The last of this module: it leaves no cluster. How such a study goes on: benchmarks/faults.py."""
    process = start(grid, study, tmp_path, "resources.pack_size=2", "trainable.trial_s=1")
    wait_for(lambda: list(tmp_path.glob("trials/*.json")), LIMIT_S)
    kill_head(grid)
    _, error = process.communicate(timeout=LIMIT_S)
    assert process.returncode == EXIT_CLUSTER and "Traceback" not in error
    assert "the head of the Ray cluster" in error and error.count("the same command goes on") == 1
