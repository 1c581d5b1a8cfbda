"""Exports in the real tools: DeepCAVE's reader, the package of Weights & Biases. `make test-export` installs them."""

import json
import os
import subprocess
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evenkeel.reports.facts import ParameterFacts
from evenkeel.reports.table.trial_table import IMAGES, facts_of, with_facts
from evenkeel.reports.verdict.frame import verdict_frame
from evenkeel.study.errors import UserError
from evenkeel.study.exchange.deepcave_run import write_deepcave
from evenkeel.study.exchange.mapping import RunsMapping
from evenkeel.study.exchange.read_runs import read_runs
from evenkeel.study.exchange.runs_table import runs_table
from evenkeel.study.exchange.understand import understand
from evenkeel.study.exchange.wandb_folder import write_wandb
from tests.synthetic import table as make_table

DEEPCAVE_PYTHON = os.environ.get("DEEPCAVE_PYTHON")
OPTIONS = ("relu", "1", "none", "True", "two words")
OPEN_IN_DEEPCAVE = """
import json, sys
from deepcave.runs.converters.dataframe import DataFrameRun
folder = sys.argv[1]
assert DataFrameRun.is_valid_run(folder)
run = DataFrameRun.from_path(folder)
objectives = run.get_objectives()
setting, _ = run.get_incumbent(objectives[0])
names = [objective.name for objective in objectives]
print(json.dumps([len(run.history), dict(setting), names, objectives[0].optimize]))
"""


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    """Swept trials in which apl falls when gamma_neg moves up and gains when it moves down; clip of apl is a choice."""

    def score(loss, setting):
        return 0.6 - 0.02 * (setting.get("gamma_neg", 4) - 4) * (loss == "apl")

    table = make_table(np.random.default_rng(0), score, designs=("sweep",))
    table = table[[column for column in table.columns if not column.startswith(IMAGES)]]
    return table


def with_a_choice(table: pd.DataFrame) -> pd.DataFrame:
    """The same trials, the levels of apl's clip under names that a reader of CSV takes for something else."""
    facts = facts_of(table)
    levels = sorted(table.loc[table.loss == "apl", "hp.clip"].unique())
    names = dict(zip(levels, OPTIONS, strict=True))
    changed = table.copy()
    changed["hp.clip"] = [
        names[v] if loss == "apl" else v for loss, v in zip(table.loss, table["hp.clip"], strict=True)
    ]
    apl = facts.losses["apl"]
    default = names[apl.defaults["clip"]]
    choice = ParameterFacts("choice", default, "clip", "a test", options=OPTIONS)
    apl = replace(apl, defaults=apl.defaults | {"clip": default}, space=apl.space | {"clip": choice})
    return with_facts(changed, replace(facts, losses=facts.losses | {"apl": apl}))


def verdicts(table: pd.DataFrame) -> dict[tuple[str, str], str]:
    return {(row.loss, row.hyperparameter): row.verdict for row in verdict_frame(table, "f1").itertuples()}


def read_back(folder) -> dict[tuple[str, str], str]:
    """The verdicts of what was written, under what was understood of it."""
    runs = read_runs(str(folder), None)
    mapping = RunsMapping.model_validate(understand(runs).mapping | {"metric": "f1"})
    return verdicts(runs_table(runs, mapping)[0])


def test_deepcave_runs_read_back_with_the_same_verdicts(trials, tmp_path):
    assert write_deepcave(trials, tmp_path / "runs") == ["apl", "ral"]  # bce has nothing that varies
    expected = verdicts(trials)
    assert read_back(tmp_path / "runs") == {key: verdict for key, verdict in expected.items() if key[0] != "bce"}
    assert len(set(expected.values())) > 1
    with pytest.raises(UserError, match="is there already"):
        write_deepcave(trials, tmp_path / "runs")


@pytest.mark.skipif(DEEPCAVE_PYTHON is None, reason="make test-export installs DeepCAVE")
@pytest.mark.parametrize("change", [lambda table: table, with_a_choice])
def test_deepcave_opens_its_runs_and_finds_the_best_setting(trials, tmp_path, change):
    table = change(trials)
    write_deepcave(table, tmp_path / "runs")
    command = [DEEPCAVE_PYTHON, "-c", OPEN_IN_DEEPCAVE, str(tmp_path / "runs" / "apl")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    num_settings, best, objectives, direction = json.loads(done.stdout.splitlines()[-1])
    rows = table[table.loss == "apl"]
    assert objectives[:2] == ["val_f1", "test_f1"] and direction == "upper"
    assert num_settings == len(rows) and best["gamma_neg"] == rows["hp.gamma_neg"].min()


def test_the_package_of_wandb_writes_runs_that_read_back(trials, tmp_path):
    pytest.importorskip("wandb", reason="make test-export installs wandb")
    apl = with_facts(trials[trials.loss == "apl"], facts_of(trials))
    assert write_wandb(apl, tmp_path) == len(apl)
    expected = {key: verdict for key, verdict in verdicts(trials).items() if key[0] == "apl"}
    assert read_back(tmp_path) == expected and len(set(expected.values())) > 1


def test_states_of_wandb_survive(trials, tmp_path):
    pytest.importorskip("wandb", reason="make test-export installs wandb")
    few = trials.head(4).assign(state=["done", "diverged", "failed", "censored"])
    few.attrs = trials.attrs
    write_wandb(few, tmp_path)
    assert sorted(read_runs(str(tmp_path), None).states) == sorted(few.state)
