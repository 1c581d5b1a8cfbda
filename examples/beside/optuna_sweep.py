import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from train import train

DEFAULT = {"max_depth": 8, "max_features": 0.3}
LEVELS = {"max_depth": [3, 8, 10, 13, 16], "max_features": [0.05, 0.106, 0.3, 0.473, 1.0]}
SETTINGS = [DEFAULT, *(DEFAULT | {n: x} for n, levels in LEVELS.items() for x in levels if x != DEFAULT[n])]


def objective(trial):
    setting = {name: trial.suggest_categorical(name, levels) for name, levels in LEVELS.items()}
    scores, targets = train(**setting, seed=trial.suggest_int("seed", 0, 4))["test"]
    return float((scores.argmax(1) == targets).mean())


storage = JournalStorage(JournalFileBackend("optuna.log"))  # in SQLite two workers take the same enqueued trial
study = optuna.create_study(direction="maximize", storage=storage)
for setting in SETTINGS:
    for seed in range(5):
        study.enqueue_trial(setting | {"seed": seed})
study.optimize(objective, n_trials=len(SETTINGS) * 5, n_jobs=2)
frame = study.trials_dataframe()
print(frame.groupby(["params_max_depth", "params_max_features"]).value.agg(["mean", "std"]))
