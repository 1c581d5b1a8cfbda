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
import kubernetes_validate
import pytest
import ray
import yaml
from mlflow.server.security_utils import is_allowed_host_header

from evenkeel.study.cli import _parser
from evenkeel.study.errors import EXIT_CLUSTER, EXIT_INTERRUPTED
from evenkeel.study.file.read import load_study

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"


def test_the_ray_cluster_file_follows_rays_schema():
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    contents = yaml.safe_load((DEPLOY / "ray-cluster.yaml").read_text())
    jsonschema.validate(contents, schema)
    assert contents["head_node_type"] in contents["available_node_types"]


def documents():
    return list(yaml.safe_load_all((DEPLOY / "kuberay.yaml").read_text()))


def of_kind(kind):
    return [d for d in documents() if d["kind"] == kind]


def pods():
    """Every pod of the file, as one of its own."""
    cluster = of_kind("RayCluster")[0]["spec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    templates = [group["template"] for group in groups]
    return templates + [d["spec"]["template"] for d in [*of_kind("Deployment"), *of_kind("Job")]]


def test_kubernetes_takes_every_object_of_the_file():
    plain = [document for document in documents() if document["kind"] != "RayCluster"]
    whole = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": pod["spec"]} for pod in pods()]
    assert len(plain) == 10
    for document in plain + whole:
        kubernetes_validate.validate(document, "1.31", strict=True)


def test_kubernetes_would_refuse_a_key_that_it_does_not_know():
    (job,) = of_kind("Job")
    job["spec"]["backoffLimits"] = 20
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, "1.31", strict=True)


def test_the_objects_of_the_file_fit_each_other():
    names = {(document["kind"], document["metadata"]["name"]) for document in documents()}
    for pod in pods():
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        for volume in volumes.values():
            if claim := volume.get("persistentVolumeClaim"):
                assert ("PersistentVolumeClaim", claim["claimName"]) in names
            if study := volume.get("configMap"):
                assert ("ConfigMap", study["name"]) in names
        for container in pod["spec"]["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes.keys()
            assert all(("Secret", one["secretRef"]["name"]) in names for one in container.get("envFrom", []))
    labels = {pod["metadata"]["labels"]["app"] for pod in pods() if "metadata" in pod}
    assert {service["spec"]["selector"]["app"] for service in of_kind("Service")} == labels


def test_the_ray_cluster_runs_our_ray():
    (cluster,) = of_kind("RayCluster")
    assert cluster["apiVersion"] == "ray.io/v1"
    assert f"ray=={cluster['spec']['rayVersion']}" in (ROOT / "constraints.txt").read_text()


def test_the_study_of_the_file_loads_and_its_job_submits_it(tmp_path):
    (job,), (config,) = of_kind("Job"), of_kind("ConfigMap")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    program, *arguments = [*container["command"], *container["args"]]
    options = _parser().parse_args(arguments)
    (cluster,) = of_kind("RayCluster")
    assert program == "evenkeel" and options.command == "submit" and options.follow
    assert options.address == f"http://{cluster['metadata']['name']}-head-svc:8265"  # as KubeRay calls it
    (tmp_path / "study.yaml").write_text(config["data"]["study.yaml"])
    study = load_study(str(tmp_path / "study.yaml"))
    assert study.storage.startswith("/studies/") and study.tracking == "http://mlflow:5000"
    (worker,) = cluster["spec"]["workerGroupSpecs"]
    limits = worker["template"]["spec"]["containers"][0]["resources"]["limits"]
    room = min(int(limits["cpu"]) / study.resources.cpus, int(limits["nvidia.com/gpu"]) / study.resources.gpus)
    assert 1 <= options.workers <= room * worker["maxReplicas"]


def test_the_job_is_tried_again_after_trouble_of_the_cluster_alone():
    (job,) = of_kind("Job")
    (rule,) = [rule for rule in job["spec"]["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert rule["action"] == "FailJob" and rule["onExitCodes"]["operator"] == "NotIn"
    assert rule["onExitCodes"]["values"] == [EXIT_CLUSTER, EXIT_INTERRUPTED]


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
    example, kuberay = (DEPLOY / "mlflow.env.example").read_text(), (DEPLOY / "kuberay.yaml").read_text()
    (allowed,) = re.findall(r"^MLFLOW_SERVER_ALLOWED_HOSTS=(.*)", example, re.MULTILINE)
    (allowed_there,) = re.findall(r'MLFLOW_SERVER_ALLOWED_HOSTS, value: "(.*)"', kuberay)
    for text, hosts in (((ROOT / "docs" / "cluster.md").read_text(), allowed), (kuberay, allowed_there)):
        used = set(re.findall(r"http://(mlflow[\w.]*:\d+)", text))
        assert used and all(is_allowed_host_header(hosts.split(","), host) for host in used)


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


def test_the_slurm_scripts_have_no_lint():
    subprocess.run([beside("shellcheck"), *map(str, sorted(DEPLOY.glob("*.sh")))], check=True)


def test_the_array_script_runs_a_shard_and_has_ten_lines():
    text = (DEPLOY / "slurm-array.sh").read_text()
    (line,) = [line for line in text.splitlines() if "evenkeel run" in line and not line.startswith("#")]
    assert _parser().parse_args(["run", "study.yaml", "--shard", "3/16"]).shard and '--shard "$shard"' in line
    assert len(text.splitlines()) == 10


def test_the_image_is_that_of_gpu_users_and_needs_no_root():
    text = (DEPLOY / "Dockerfile").read_text()
    assert re.findall(r"^ARG TORCH_INDEX=(.*)$", text, re.MULTILINE) == [""]
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["1000"] and " wget" in text


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
        "SLURM_GPUS_PER_NODE": "1",
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
    steps = [line for line in said.splitlines() if "ray start" in line]
    assert len(steps) == 2 and all("--cpus-per-task=8" in step and "--gpus-per-node=1" in step for step in steps)
