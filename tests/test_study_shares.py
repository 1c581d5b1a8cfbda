"""What trials share is one for a study: whoever made it first, on whatever machine, and whatever became of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evenkeel.reports.page.page import write_report
from evenkeel.reports.table.machines import machine_notes, set_other_shared_aside
from evenkeel.study.cli import main
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.records.shares import RecordedShares
from evenkeel.study.records.table import table_from_ledger
from evenkeel.trainables.study_shares import SharesLost, content_hash, made_once_a_study, sharing


class Machine:
    """A cache of its own, and what this machine would make."""

    def __init__(self, cache: Path, content: float) -> None:
        self.cache, self.content, self.num_made = cache, content, 0
        cache.mkdir()

    def make(self, path: Path) -> None:
        self.num_made += 1
        path.mkdir()
        np.save(path / "features.npy", np.full(5, self.content))
        (path / "classes.json").write_text("[]")

    def features(self, location: str) -> float:
        with sharing(RecordedShares(location)):
            folder = made_once_a_study(self.cache / "features-k", self.make)
        return float(np.load(folder / "features.npy")[0])


@pytest.fixture
def machines(tmp_path):
    return Machine(tmp_path / "one", 1.0), Machine(tmp_path / "two", 2.0)


def test_the_first_makes_and_the_others_take_its_bytes(any_folder, machines):
    one, two = machines
    assert [m.features(any_folder.location) for m in (one, two, one, two)] == [1.0] * 4
    assert (one.num_made, two.num_made) == (1, 0)


def test_a_machine_that_made_its_own_before_takes_the_studys_all_the_same(any_folder, machines):
    one, two = machines
    assert two.features(f"{any_folder.location}/another-study") == 2.0
    assert one.features(any_folder.location) == two.features(any_folder.location) == 1.0
    assert two.features(f"{any_folder.location}/another-study") == 2.0 and two.num_made == 1


def test_of_two_that_make_at_once_one_counts(any_folder, machines, tmp_path):
    """Both found nothing recorded."""
    one, two = (RecordedShares(any_folder.location) for _ in range(2))
    for machine, name in zip(machines, ("a", "b"), strict=True):
        machine.make(tmp_path / name)
    first = one.offer("features-k", tmp_path / "a", content_hash(tmp_path / "a"))
    assert two.offer("features-k", tmp_path / "b", content_hash(tmp_path / "b")) == first
    assert first == content_hash(tmp_path / "a") != content_hash(tmp_path / "b")


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_bytes_that_are_not_as_they_were_made_are_not_used(tmp_path, machines, damage):
    one, two = machines
    storage = tmp_path / "records"
    one.features(str(storage))
    (file,) = storage.glob("shared/*/features.npy")
    content = file.read_bytes()
    file.unlink()  # it may be a link of the first machine's own
    if damage != "gone":
        file.write_bytes(content[:-1] if damage == "cut" else content[:-1] + bytes([content[-1] ^ 1]))
    digest = RecordedShares(str(storage)).fixed("features-k")
    with pytest.raises(SharesLost):
        RecordedShares(str(storage)).fetch(digest, tmp_path / "fetched")
    assert two.features(str(storage)) == 2.0 and RecordedShares(str(storage)).fixed("features-k") != digest


def test_a_single_file_is_shared_as_a_folder_is(any_folder, tmp_path):
    with sharing(RecordedShares(any_folder.location)):
        path = made_once_a_study(tmp_path / "weights.pt", lambda to: to.write_bytes(b"weights"))
    (tmp_path / "other").mkdir()
    with sharing(RecordedShares(any_folder.location)):
        taken = made_once_a_study(tmp_path / "other" / "weights.pt", lambda to: to.write_bytes(b"others"))
    assert taken.read_bytes() == path.read_bytes() == b"weights" and taken.suffix == ".pt"


def test_without_a_study_a_machines_cache_is_all_there_is(tmp_path, machines):
    path = made_once_a_study(tmp_path / "features-k", machines[0].make)
    assert path == tmp_path / "features-k" and machines[0].num_made == 1


STUDY = """
extends: demo
name: alike
trainable: {epochs: 2, batch: 512, backbone: {warm_start: {epochs: 1}}}
losses: [bce, {loss: asl, fixed: {focusing: full}}]
designs: {sweep: {levels: 2, hyperparameters: [gamma_neg]}, sobol: null, search: null}
seeds: 2
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A study whose second half ran on a machine with a cache of its own."""
    folder = tmp_path_factory.mktemp("alike")
    (folder / "alike.yaml").write_text(STUDY)
    for seeds, cache in ((1, "one"), (2, "two")):
        environment = os.environ | {"EVENKEEL_CACHE": str(folder / cache), "PYTHONPATH": os.pathsep.join(sys.path)}
        words = [
            "run",
            str(folder / "alike.yaml"),
            "--serial",
            "--storage",
            str(folder / "st"),
            "--set",
            f"seeds={seeds}",
        ]
        subprocess.run([sys.executable, "-m", "evenkeel", *words], env=environment, check=True, capture_output=True)
    return folder


def test_each_record_names_what_it_started_from_and_on_what_machine(recorded):
    records = Ledger(str(recorded / "st"), "alike").read_all().values()
    by_seed = {seed: {r.shared for r in records if r.trial.seed == seed} for seed in (0, 1)}
    fixed = {json.loads(file.read_text())["hash"] for file in (recorded / "st" / "shared").glob("*.json")}
    assert all(len(hashes) == 1 for hashes in by_seed.values()) and set.union(*by_seed.values()) <= fixed
    assert all(r.machine["processor"] and r.machine["instructions"] for r in records)


def test_trials_on_other_features_are_said_and_not_paired(recorded, tmp_path):
    table = table_from_ledger(Ledger(str(recorded / "st"), "alike"))
    assert not machine_notes([("", table)]) and (table.state == "done").all()
    other = table.copy()
    (victim, *_) = other.index[other.seed == 0]
    other.loc[victim, ["shared", "machine"]] = ["f" * 16, "another processor"]
    aside = set_other_shared_aside(other)
    assert aside.state[victim] == "censored" and (aside.state.drop(victim) == "done").all()
    features, machine = machine_notes([("", aside)])
    assert features.startswith("1 trials started from other features") and "f" * 16 in features
    assert machine.startswith("1 trials ran on another kind of machine") and "another processor" in machine
    write_report(aside, tmp_path / "page.html")
    assert "no pair may be formed across" in (tmp_path / "page.html").read_text()


def test_the_studys_features_are_used_again_by_a_new_run(recorded, monkeypatch):
    """A third machine makes none."""
    monkeypatch.setenv("EVENKEEL_CACHE", str(recorded / "three"))
    words = ["--serial", "--storage", str(recorded / "st"), "--set", "seeds=2", "--set", "designs.sweep.levels=3"]
    assert main(["run", str(recorded / "alike.yaml"), *words]) == 0
    records = Ledger(str(recorded / "st"), "alike").read_all().values()
    assert len({r.shared for r in records if r.trial.seed == 0}) == 1
