"""What lies in deploy/, checked by what can check it without a cluster: schemas, lint, a run of the Slurm script."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import jsonschema
import pytest
import ray
import yaml
from mlflow.server.security_utils import is_allowed_host_header

from evenkeel.study.cli import _parser

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"


def test_the_ray_cluster_file_follows_rays_schema():
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    contents = yaml.safe_load((DEPLOY / "ray-cluster.yaml").read_text())
    jsonschema.validate(contents, schema)
    assert contents["head_node_type"] in contents["available_node_types"]


def test_the_ray_job_runs_a_command_that_exists():
    job = yaml.safe_load((DEPLOY / "kuberay-rayjob.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    program, *arguments = job["spec"]["entrypoint"].split()
    options = _parser().parse_args(arguments)
    assert program == "evenkeel" and options.command == "run" and options.address == "auto"
    cluster = job["spec"]["rayClusterSpec"]
    constraints = (ROOT / "constraints.txt").read_text()
    assert f"ray=={cluster['rayVersion']}" in constraints
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert all({mount["name"] for mount in c["volumeMounts"]} <= volumes for c in pod["containers"])


def test_the_compose_file_hides_its_secrets_and_its_ports():
    text = (DEPLOY / "compose.yaml").read_text()
    compose = yaml.safe_load(text)
    known = set(re.findall(r"^(\w+)=", (DEPLOY / "mlflow.env.example").read_text(), re.MULTILINE))
    assert set(re.findall(r"\$\$(\w+)", text)) <= known and "change-me" not in text
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert service["env_file"] == "mlflow.env"
    assert set(compose["services"]["mlflow"]["depends_on"]) <= set(compose["services"])


def test_the_compose_server_answers_to_the_names_that_are_used():
    """Any other is taken for an attack: 403."""
    (allowed,) = re.findall(
        r"^MLFLOW_SERVER_ALLOWED_HOSTS=(.*)", (DEPLOY / "mlflow.env.example").read_text(), re.MULTILINE
    )
    named = [(ROOT / "docs" / "cluster.md").read_text(), (DEPLOY / "kuberay-rayjob.yaml").read_text()]
    used = {host for text in named for host in re.findall(r"http://(mlflow[\w.]*:\d+)", text)}
    assert used and all(is_allowed_host_header(allowed.split(","), host) for host in used)


def test_the_compose_artifacts_have_their_bucket():
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    (bucket,) = re.findall(r"s3://(\w+)", str(compose["mlflow"]["command"]))
    assert f"mkdir -p /data/{bucket} " in compose["artifacts"]["command"][0]


def test_the_image_installs_extras_that_exist():
    text = (DEPLOY / "Dockerfile").read_text()
    (extras,) = re.findall(r'"\.\[([\w,]+)\]"', text)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    copied = [part for line in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE) for part in line.split()]
    assert all((ROOT / part).exists() for part in copied)
    subprocess.run([beside("hadolint"), str(DEPLOY / "Dockerfile")], check=True)


def beside(tool: str) -> str:
    """A command of this environment, whether it is activated or not."""
    return str(Path(sys.executable).with_name(tool))


def test_the_slurm_script_has_no_lint():
    subprocess.run([beside("shellcheck"), str(DEPLOY / "slurm.sh")], check=True)


STUBS = {
    "scontrol": '[ "$1" = show ] && printf "n1\\nn2\\n" || echo "$@" >> "$LOG"',
    "srun": 'echo "$@" >> "$LOG"',
    "ray": "exit 0",
    "evenkeel": 'echo "$@" >> "$LOG"; trap "sleep 0.3; exit 130" TERM; [ -n "$CODE" ] && exit "$CODE"; '
    'for _ in $(seq 100); do sleep 0.1; done',
}  # fmt: skip


@pytest.mark.parametrize(("code", "requeued"), [("0", False), ("1", False), ("3", True), ("", True)])
def test_the_slurm_script_goes_on_in_another_turn(tmp_path, code, requeued):
    """With stubs for Slurm, Ray and us: the signal reaches the driver, its end is waited for, the job is requeued."""
    for name, text in STUBS.items():
        (tmp_path / name).write_text(f"#!/usr/bin/env bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    slurm = {
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NODELIST": "n[1-2]",
        "SLURM_CPUS_PER_TASK": "8",
        "SLURM_JOB_NUM_NODES": "2",
    }
    log = tmp_path / "log"
    environment = os.environ | slurm | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "LOG": str(log), "CODE": code}
    script = subprocess.Popen(["bash", str(DEPLOY / "slurm.sh"), "study.yaml", "--track-later"], env=environment)
    if not code:
        deadline = time.monotonic() + 20
        while not (log.exists() and "run study.yaml" in log.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
        script.send_signal(signal.SIGTERM)
    assert script.wait(30) == int(code or 130)
    said = log.read_text()
    assert "run study.yaml --address n1:20007 --track-later" in said
    assert ("requeue 7" in said) == requeued
