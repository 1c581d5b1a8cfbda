"""What a user would write from the documentation of Ray Tune, Optuna and MLflow: the rival of trials_per_minute.py.

Arguments: features folder, number of trials, working folder, address of the Ray cluster. Each trial trains one RAL head
as evenkeel does; it reports loss and validation F1 every epoch, test metrics at the end.
"""

import json
import sys
from pathlib import Path

import ray
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune.search.optuna import OptunaSearch

EPOCHS, BATCH, LR = 20, 256, 5e-3


def train(config: dict) -> None:
    import numpy as np
    import torch
    from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

    from evenkeel.trainables.losses import Ral

    folder = Path(config.pop("folder"))
    features, targets, split = (np.load(folder / f"{name}.npy") for name in ("features", "targets", "split"))
    part = {name: torch.tensor(features[split == code]) for code, name in enumerate(("train", "val", "test"))}
    label = {name: torch.tensor(targets[split == code]).float() for code, name in enumerate(("train", "val", "test"))}
    torch.manual_seed(0)
    head = torch.nn.Linear(features.shape[1], targets.shape[1])
    loss = Ral(**config)
    optimiser = torch.optim.AdamW(head.parameters(), lr=LR, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    scores = {}
    for epoch in range(EPOCHS):
        total = 0.0
        for rows in torch.randperm(len(part["train"])).split(BATCH):
            optimiser.zero_grad()
            value = loss(head(part["train"][rows]), label["train"][rows]).mean()
            value.backward()
            optimiser.step()
            total += value.item()
        schedule.step()
        with torch.no_grad():
            scores = {name: torch.sigmoid(head(part[name])).numpy() for name in ("val", "test")}
        report = {"train_loss": total, "val_f1": f1_score(label["val"], scores["val"] >= 0.5, average="macro")}
        if epoch == EPOCHS - 1:
            report |= {
                "test_f1": f1_score(label["test"], scores["test"] >= 0.5, average="macro"),
                "test_map": average_precision_score(label["test"], scores["test"], average="macro"),
                "test_mauc": roc_auc_score(label["test"], scores["test"], average="macro"),
            }
        tune.report(report)


def main(folder: str, num_trials: int, work: str, address: str) -> None:
    ray.init(address=address)
    space = {
        "folder": folder,
        "gamma_neg": tune.uniform(0, 12),
        "gamma_pos": tune.uniform(0, 2),
        "clip": tune.uniform(0, 0.25),
        "alpha1": tune.uniform(0, 2),
        "alpha2": tune.uniform(0, 3),
        "beta0": tune.uniform(-1, 1),
        "beta1": tune.uniform(0, 2),
        "hill_lambda": tune.uniform(1, 4.5),
    }
    tuner = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(
            metric="val_f1", mode="max", search_alg=OptunaSearch(seed=0), num_samples=num_trials
        ),
        run_config=tune.RunConfig(
            storage_path=f"{work}/ray_results",
            callbacks=[MLflowLoggerCallback(tracking_uri=f"sqlite:///{work}/rival.db", experiment_name="rival")],
        ),
    )
    results = tuner.fit()
    assert results.num_errors == 0
    print(json.dumps({"best": results.get_best_result().metrics["val_f1"]}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
