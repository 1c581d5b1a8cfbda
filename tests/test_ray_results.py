"""A results folder that a real run of Ray Tune wrote."""

import pytest

from evenkeel.study.exchange.mapping import RunsMapping
from evenkeel.study.exchange.read_runs import read_runs
from evenkeel.study.exchange.runs_table import runs_table
from evenkeel.study.exchange.understand import understand

pytestmark = pytest.mark.slow


def test_a_grid_of_ray_tune_becomes_a_table(tmp_path):
    import ray
    from ray import tune

    ray.init("local", num_cpus=1, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    try:
        space = {"lr": tune.grid_search([0.1, 0.2]), "seed": tune.grid_search([0, 1])}
        run = tune.RunConfig(storage_path=str(tmp_path), name="theirs", verbose=0)
        tune.Tuner(lambda config: {"test_acc": 0.5 + config["lr"]}, param_space=space, run_config=run).fit()
    finally:
        ray.shutdown()
    runs = read_runs(str(tmp_path / "theirs"), None)
    mapping = understand(runs).mapping | {"hyperparameters": {"lr": 0.1}}
    table, _ = runs_table(runs, RunsMapping.model_validate(mapping))
    assert sorted(zip(table["hp.lr"], table.seed, table.test_acc, strict=True)) == [
        (0.1, 0, 0.6), (0.1, 1, 0.6), (0.2, 0, 0.7), (0.2, 1, 0.7)
    ]  # fmt: skip
