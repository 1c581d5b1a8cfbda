"""A user's ordinary function as a trainable: what it is given, what it may return, and what is said of a mistake."""

from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as reference

from evenkeel.trainables import TrainableError, Trial, trainable
from evenkeel.trainables.data import data_set
from evenkeel.trainables.function.returned import returned
from evenkeel.trainables.function.signature import signature_of


@pytest.fixture
def beside(tmp_path, monkeypatch, request):
    """Writes a module of its own name into a folder that is on the path, and says how a study names its function."""
    monkeypatch.syspath_prepend(str(tmp_path))
    count = iter(range(99))

    def write(text: str, name: str | None = None) -> str:
        stem = name or f"own_{abs(hash(request.node.name))}_{next(count)}"
        (tmp_path / f"{stem}.py").write_text(text)
        return f"{stem}.py:train"

    return write


def trial(name: str, seed=0, settings=None, loss=None, **hyperparameters):
    return Trial(
        loss=loss or name, hyperparameters=hyperparameters, seed=seed, data={}, trainable={}, design="sweep",
        label="mine", settings=settings or {},
    )  # fmt: skip


def run(name, *trials, data=None, measures=("headline", "rise"), place=None, **settings):
    worker = trainable({"name": name, **settings}).worker(measures)
    place = place or Path(trainable.__module__).parent
    prepared = worker.prepare(data_set(data or {"name": "by-function"}), place, "cpu")
    return [result for _, result in worker.run(list(trials), prepared, place)]


SCORES = """
def train(seed, depth=3, rate=0.5):
    return {s: {'accuracy': rate, 'log_loss': depth + seed} for s in ('val', 'test')}
"""


def test_scores_are_recorded_by_split(beside, tmp_path):
    name = beside(SCORES)
    (result,) = run(name, trial(name, seed=2, settings={"depth": 5}), place=tmp_path, rate=1)
    assert result.state == "done"
    assert result.metrics == {"val_accuracy": 1, "val_log_loss": 7, "test_accuracy": 1, "test_log_loss": 7}


def test_settings_are_those_of_the_signature(beside):
    name = beside(SCORES)
    made = trainable({"name": name, "rate": 1})
    assert made.parameters == {"depth": 3, "rate": 1.0} and isinstance(made.parameters["rate"], float)
    with pytest.raises(ValueError, match="takes no 'dept'; did you mean 'depth'"):
        trainable({"name": name, "dept": 3})
    with pytest.raises(ValueError, match="depth must be a number, got 'deep'"):
        trainable({"name": name, "depth": "deep"})
    with pytest.raises(ValueError, match="seed: is made for each trial"):
        trainable({"name": name, "seed": 3})


PREDICTS = """
import numpy as np
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression

def train(seed, C=1.0, broken=False):
    x, y = load_wine(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    test, rest = order[:60], np.random.default_rng(seed).permutation(order[60:])
    model = LogisticRegression(C=C, max_iter=50).fit(x[rest[30:]], y[rest[30:]])
    scores = {"val": model.predict_proba(x[rest[:30]]), "test": model.predict_proba(x[test])}
    if broken:
        scores["test"][0] = np.nan
    return {"val": (scores["val"], y[rest[:30]]), "test": (scores["test"], y[test])}
"""


def predicted(seed=0, C=1.0):
    space: dict = {}
    exec(PREDICTS, space)
    return space["train"](seed, C)


@pytest.mark.filterwarnings("ignore")
def test_predictions_give_every_metric_with_the_noise_of_the_test_images(beside, tmp_path):
    name = beside(PREDICTS)
    (result,) = run(name, trial(name, seed=1), place=tmp_path, measures=("headline", "rise", "one-label"))
    scores, targets = predicted(seed=1)["test"]
    assert result.metrics["test_accuracy"] == reference.accuracy_score(targets, scores.argmax(1))
    assert result.metrics["test_mauc"] == pytest.approx(reference.roc_auc_score(np.eye(3)[targets], scores))
    assert len(result.images["test_accuracy"]) == 50 and len(result.images["test_mauc"]) == 50


@pytest.mark.filterwarnings("ignore")
def test_predictions_that_are_not_finite_diverged_and_lie_at_the_floor(beside, tmp_path):
    name = beside(PREDICTS)
    (result,) = run(name, trial(name), place=tmp_path, broken=True)
    assert result.state == "diverged" and "test scores" in result.note and not result.images
    assert result.metrics["test_mauc"] == pytest.approx(0.5)


def test_a_score_that_is_not_finite_diverged(beside, tmp_path):
    name = beside("def train():\n    return {s: {'accuracy': float('nan')} for s in ('val', 'test')}\n")
    (result,) = run(name, trial(name), place=tmp_path)
    assert (result.state, result.metrics) == ("diverged", {"val_accuracy": None, "test_accuracy": None})


REPORTS = """
def train(seed, report, checkpoint_dir, device, data, epochs=9):
    kept = checkpoint_dir / "epoch.txt"
    first = int(kept.read_text()) if kept.exists() else 0
    for epoch in range(first, epochs):
        report(epoch, train_loss=1 / (epoch + 1), val_accuracy=epoch / 10)
        kept.write_text(str(epoch + 1))
    assert device == "cpu" and data == []
    return {s: {"accuracy": epochs / 10} for s in ("val", "test")}
"""


def test_reports_are_curves_and_a_checkpoint_goes_on(beside, tmp_path):
    name = beside(REPORTS)
    member = trial(name)
    (result,) = run(name, member, place=tmp_path)
    assert result.epochs_done == 9 and result.curves["val_accuracy"] == pytest.approx(np.arange(9) / 10)
    assert result.metrics["val_rise"] == pytest.approx(0.3) and result.metrics["val_rise_error"] == pytest.approx(0)
    (tmp_path / member.id / "epoch.txt").write_text("7")
    (again,) = run(name, member, place=tmp_path)
    assert again.epochs_done == 2 and again.metrics["test_accuracy"] == 0.9
    assert not list(tmp_path.glob("progress-*"))


def test_a_loss_of_ours_is_given_as_its_mean(beside, tmp_path):
    import torch

    from evenkeel.trainables.losses import Asl

    name = beside(
        "import torch\n\ndef train(loss, gamma_neg):\n"
        "    x = torch.linspace(-2, 2, 12).view(4, 3).requires_grad_()\n"
        "    value = loss.at(0.5)(x, torch.tensor([0, 1, 2, 0]))\n    value.backward()\n"
        "    p = loss.probabilities(x)\n    assert p.dtype == torch.float64 and x.grad.abs().sum() > 0\n"
        "    return {s: {'accuracy': value.item(), 'log_loss': gamma_neg} for s in ('val', 'test')}\n"
    )
    (result,) = run(name, trial(name, loss="asl", gamma_neg=2.0, gamma_pos=0.0, clip=0.05), place=tmp_path)
    x, y = torch.linspace(-2, 2, 12).view(4, 3), torch.eye(3)[torch.tensor([0, 1, 2, 0])]
    expected = float(Asl(gamma_neg=2.0, gamma_pos=0.0, clip=0.05)(x, y).mean())
    assert result.metrics["test_accuracy"] == pytest.approx(expected, rel=1e-5) and result.metrics["val_log_loss"] == 2


def test_a_loss_that_is_annotated_as_text_is_given_by_name(beside, tmp_path):
    name = beside(
        "def train(loss: str):\n    return {s: {'accuracy': float(loss == 'bce')} for s in ('val', 'test')}\n"
    )
    (result,) = run(name, trial(name, loss="bce"), place=tmp_path)
    assert result.metrics["test_accuracy"] == 1


def test_data_of_ours_comes_with_the_rows_of_the_seed(beside, tmp_path):
    name = beside(
        "def train(data, rows, loss, seed):\n"
        "    sizes = {s: len(rows[s]) for s in ('train', 'val', 'test')}\n"
        "    assert data.images[rows['test'][:2]].shape[1:3] == (32, 32)\n"
        "    p = data.targets[rows['train']].mean(0)\n"
        "    return {s: (p[None].repeat(sizes[s], 0), data.targets[rows[s]]) for s in ('val', 'test')}\n"
    )
    data = {"name": "digits-mlt"}
    (result,) = run(name, trial(name, loss="cb", cb_beta=0.9, weighing="by_class", gamma=0.0), data=data,
                    place=tmp_path, image_size=32)  # fmt: skip
    assert result.metrics["test_mauc"] == pytest.approx(0.5) and result.metrics["test_map_head"] > 0


def test_generators_start_from_the_seed(beside, tmp_path):
    name = beside(
        "import random, torch\nimport numpy as np\n\ndef train():\n"
        "    drawn = random.random() + np.random.rand() + float(torch.rand(()))\n"
        "    return {s: {'accuracy': drawn / 3} for s in ('val', 'test')}\n"
    )
    one, other, again = run(name, trial(name), trial(name, seed=1), trial(name), place=tmp_path)
    assert one.metrics == again.metrics != other.metrics


MISTAKES = {
    "0.93": "returned 0.93; return scores by split, as {'val'",
    "{'val': {'accuracy': 1}}": "returned no 'test'; return both",
    "{'val': {'accuracy': 1}, 'tets': {'accuracy': 1}}": "returned 'tets'; did you mean 'test'",
    "{'val': {'accuracy': 1}, 'test': {}}": "returned nothing for 'test'; return numbers by name",
    "{'val': {'accuracy': 1, 'map': 1}, 'test': {'accuracy': 1}}": "returned 'map' for 'val' only; return it for val",
    "{'val': {'acuracy': 1}, 'test': {'acuracy': 1}}": "returned 'acuracy', which is no metric; did you mean 'acc",
    "{'val': {'rmse': 1}, 'test': {'rmse': 1}}": "declare a score of your own: measures: [{name: rmse",
    "{'val': {'accuracy': 'good'}, 'test': {'accuracy': 1}}": "returned 'good' as val accuracy; return a number",
    "{'val': {'accuracy': 93}, 'test': {'accuracy': 92}}": "returned 93 as val accuracy, which lies from 0 to 1",
    "{'val': {'kappa': -2}, 'test': {'kappa': 0}}": "returned -2 as val kappa, which lies from -1 to 1; return a share",
    "{'val': 1, 'test': 1}": "returned 1 for 'val'; return numbers by name, or a pair (scores, targets)",
    "{'val': {'scores': [[1, 0]]}, 'test': {'scores': [[1, 0]]}}": "returned scores of 'val' alone; return",
    "{'val': ([[2.5, 0]], [0]), 'test': ([[1, 0]], [0])}": "a score of 2.5; return probabilities in [0, 1]",
    "{'val': ([[1, 0]], [0, 1]), 'test': ([[1, 0]], [0])}": "scores of shape (1, 2) and targets of shape (2,)",
    "{'val': ([[1, 0]], [7]), 'test': ([[1, 0]], [0])}": "a target of 7; return class numbers from 0 to 1",
    "{'val': ([[1, 0]], [[1, 3]]), 'test': ([[1, 0]], [0])}": "return 0 or 1 for each of 2 classes",
    "{'val': ([[1, 0]], [0]), 'test': {'accuracy': 1}}": "returned 'accuracy' for 'test' only",
}  # fmt: skip


@pytest.mark.parametrize(("value", "message"), MISTAKES.items())
def test_a_mistake_in_what_is_returned_is_one_line(value, message):
    with pytest.raises(TrainableError) as caught:
        returned("train.py:train", eval(value), ())
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert str(caught.value).startswith("train.py:train returned")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def train(seed):\n    return {s: {'accuracy': 1} | ({'map': 1} if seed else {}) for s in ('val', 'test')}\n",
         "returned accuracy, map for trial .*, and accuracy before"),
        ("def train(seed):\n    return {s: ([[.5, .5], [1, 0]], [seed, 0]) for s in ('val', 'test')}\n",
         "returned other test targets for trial .* .seed 1. than before"),
        ("def train(lr):\n    return {}\n", "needs lr: give a default in its signature"),
    ],
)  # fmt: skip
def test_what_comes_and_goes_between_trials_is_one_line(beside, tmp_path, text, message):
    name = beside(text)
    with pytest.raises(TrainableError, match=message):
        run(name, trial(name), trial(name, seed=1), place=tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("async def train(seed): ...\n", "must return its scores; write a plain def"),
        ("def train(seed):\n    yield {}\n", "must return its scores; write a plain def"),
        ("def _plain(*a, **k): ...\ntrain = _plain\n", r"takes \*a, which has no names; .* functools.wraps"),
    ],
)
def test_a_function_that_cannot_be_called_for_its_scores_is_refused(beside, text, message):
    with pytest.raises(ValueError, match=message):
        signature_of(beside(text))


def test_a_function_of_a_notebook_is_told_to_move_into_a_file():
    with pytest.raises(ValueError, match=r"has no file for workers to read; .* name own.py:fit"):
        signature_of("__main__:fit")


def test_a_declared_score_must_be_returned(beside, tmp_path):
    name = beside(SCORES)
    with pytest.raises(TrainableError, match="returned no 'rmse', which the study declares"):
        run(name, trial(name), place=tmp_path, measures=("headline", "rise", "returned:rmse"))


def test_a_changed_source_is_another_identity_and_a_comment_is_not(beside, tmp_path):
    name = beside("from its_helper import half\n\ndef train():\n    return half()\n")
    helper, identities = "def half():\n    return 0.5\n", []
    for text in (helper, helper.replace("0.5", "0.5  # a word\n\n"), helper.replace("0.5", "0.4")):
        (tmp_path / "its_helper.py").write_text(text)
        identities.append(trainable({"name": name}).identity(data_set({"name": "by-function"})))
    first, commented, changed = identities
    assert first == commented and first["source"] != changed["source"] and str(tmp_path) not in str(first)


def test_the_file_beside_the_study_comes_before_one_of_its_name_on_the_path(tmp_path, monkeypatch):
    from evenkeel.trainables import own_code

    for folder, value in (("elsewhere", 0.1), ("study", 0.9)):
        (tmp_path / folder).mkdir()
        text = f"def train():\n    return {{s: {{'accuracy': {value}}} for s in ('val', 'test')}}\n"
        (tmp_path / folder / "of_two_folders.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    monkeypatch.setattr(own_code, "FOLDERS", [])
    own_code.use_folders([str(tmp_path / "study")])
    (result,) = run("of_two_folders.py:train", trial("of_two_folders.py:train"), place=tmp_path)
    assert result.metrics["test_accuracy"] == 0.9


def test_own_data_is_known_by_the_contents_of_its_files(tmp_path):
    (tmp_path / "a.csv").write_text("1")
    settings = {"name": "by-function", "files": [str(tmp_path / "a.csv")]}
    before = data_set(settings).identity()
    (tmp_path / "a.csv").write_text("2")
    assert data_set(settings).identity() != before and str(tmp_path) not in str(before)
    with pytest.raises(TrainableError, match="gone.csv: No such file"):
        data_set({"name": "by-function", "files": ["gone.csv"]}).identity()
