from ray import tune
from train import train

DEFAULT = {"max_depth": 8, "max_features": 0.3}
LEVELS = {"max_depth": [3, 10, 13, 16], "max_features": [0.05, 0.106, 0.473, 1.0]}
SETTINGS = [DEFAULT, *(DEFAULT | {name: level} for name, levels in LEVELS.items() for level in levels)]


def trial(config):
    scores, targets = train(**config["setting"], seed=config["seed"])["test"]
    tune.report({"accuracy": float((scores.argmax(1) == targets).mean())})


space = {"setting": tune.grid_search(SETTINGS), "seed": tune.grid_search(list(range(5)))}
frame = tune.Tuner(trial, param_space=space).fit().get_dataframe()
print(frame.groupby(["config/setting/max_depth", "config/setting/max_features"]).accuracy.agg(["mean", "std"]))
