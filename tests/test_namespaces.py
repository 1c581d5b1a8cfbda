"""A cluster whose nodes share neither network nor files but the folder of the records, as machines do."""

import json
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
from tests.test_node_monitor import STUDY

ROOT = Path(__file__).parents[1]
ALONE = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc"]
LIMIT_S = 240


def possible() -> bool:
    """Networks of one's own want root, and a system that lets it; what lies in /tmp is not seen by the nodes."""
    in_tmp = any(path.is_relative_to("/tmp") for path in (ROOT, Path(sys.prefix)))
    if in_tmp or not shutil.which("ip") or not shutil.which("unshare"):
        return False
    tried = ["sh", "-c", "mkdir -p /run/netns && mount -t tmpfs none /run/netns && ip netns add trial"]
    return subprocess.run([*ALONE, *tried], capture_output=True).returncode == 0


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.skipif(not possible(), reason="no networks of one's own here")
def test_a_study_runs_on_nodes_with_networks_and_files_of_their_own():
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        folder = Path(place)
        (folder / "spread.yaml").write_text(STUDY)
        binaries = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PATH": binaries}
        command = [*ALONE, "bash", str(ROOT / "tests" / "namespaces.sh"), str(folder / "spread.yaml"), place]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT_S)
        logs = "\n".join(log.read_text()[-1500:] for log in folder.glob("*.log"))
        assert ended.returncode == 0, ended.stderr[-3000:] + logs
        records = Ledger(str(folder / "records"), "spread").read_all()
        assert set(records) == {
            trial.id for trial in make_planner(load_study(str(folder / "spread.yaml"), [])).planned()
        }
        nodes = Counter(json.loads(record.note)["node"] for record in records.values())
        assert len(nodes) == 2 and not list((folder / "cache").iterdir())
