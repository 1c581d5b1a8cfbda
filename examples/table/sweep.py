"""A sweep by hand, as people do it: three losses of one linear classifier, two hyperparameters, ten bootstraps."""

import pandas as pd
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.utils import resample

DEFAULT = {"alpha": 1e-3, "eta0": 0.1}
LEVELS = {"alpha": [1e-6, 1e-5, 1e-4, 1e-2], "eta0": [0.001, 0.01, 1.0]}
SETTINGS = [DEFAULT, *(DEFAULT | {name: level} for name, levels in LEVELS.items() for level in levels)]

x, y = load_digits(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x / 16, y, test_size=0.4, random_state=0)
rows = []
for loss in ("log_loss", "hinge", "modified_huber"):
    for seed in range(10):
        drawn = resample(x_train, y_train, random_state=seed)
        for setting in SETTINGS:
            model = SGDClassifier(loss=loss, learning_rate="constant", average=True, random_state=seed, **setting)
            score = model.fit(*drawn).score(x_test, y_test)
            rows.append({"loss": loss, "seed": seed, **setting, "test_acc": score})
pd.DataFrame(rows).to_csv("runs.csv", index=False)
