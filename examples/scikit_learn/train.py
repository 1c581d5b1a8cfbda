from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split


def train(seed, max_depth=8, max_features=0.3):
    x, y = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.4, random_state=0)
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.3, random_state=seed)
    model = RandomForestClassifier(30, max_depth=max_depth, max_features=max_features, random_state=seed).fit(x, y)
    return {"val": (model.predict_proba(x_val), y_val), "test": (model.predict_proba(x_test), y_test)}
