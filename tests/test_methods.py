"""A study of training functions: what its file may say, what is refused, and what each trial is."""

import pytest
import yaml

from evenkeel.reports.text.wording import some_of
from evenkeel.study.commands.try_trials import try_trials
from evenkeel.study.errors import UserError
from evenkeel.study.file.read import load_study
from evenkeel.study.plan.planner import make_planner
from evenkeel.study.records.facts import make_study_facts
from evenkeel.study.records.floors import floors
from evenkeel.study.run.data_facts import refuse_metric
from evenkeel.trainables.data.split_facts import SplitFacts

CODE = """
def train(seed, depth=3, rate=0.5, epochs=5):
    return {s: {'accuracy': min(1, rate + 0.01 * seed), 'cost': depth} for s in ('val', 'test')}

def other(rate=0.1, mode="a"):
    return {s: {'accuracy': rate, 'cost': 1.0} for s in ('val', 'test')}

def with_loss(loss, lr=0.1):
    return {s: {'accuracy': lr, 'cost': 1.0} for s in ('val', 'test')}

def broken(seed):
    return 1 / seed

def silent():
    return {s: {'kappa': 1.0} for s in ('val', 'test')}
"""
STUDY = {
    "name": "mine",
    "trainable": {"name": "code_of_methods.py:train"},
    "spaces": {"depth": {"low": 1, "high": 9}},
    "designs": {"sweep": {"levels": 3}},
    "seeds": 2,
    "metric": "accuracy",
    "measures": [{"name": "cost", "better": "lower"}],
}


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "code_of_methods.py").write_text(CODE)

    def loaded(**changes):
        (tmp_path / "study.yaml").write_text(yaml.safe_dump({**STUDY, **changes}))
        return load_study(str(tmp_path / "study.yaml"))

    return loaded


def test_a_function_alone_is_one_method_of_the_studys_name(load):
    config = load()
    assert [(entry.label, entry.loss) for entry in config.entries] == [("mine", "code_of_methods.py:train")]
    trials = make_planner(config).planned()
    assert len(trials) == 6 and {trial.settings.get("depth", 3) for trial in trials} == {3, 5, 9}
    assert all(trial.trainable["source"] for trial in trials)


def test_methods_have_their_own_functions_fixed_values_and_spaces(load):
    config = load(
        spaces={},
        methods=[
            {"name": "deep", "fixed": {"rate": 0.7}, "spaces": {"depth": {"low": 1, "high": 5}}},
            {"name": "other", "function": "code_of_methods.py:other", "spaces": {"mode": {"options": ["a", "b"]}}},
        ],
    )
    trials = make_planner(config).planned()
    assert {(t.label, t.loss, t.hyperparameters.get("rate"), t.moved) for t in trials} == {
        ("deep", "code_of_methods.py:train", 0.7, None),
        ("deep", "code_of_methods.py:train", 0.7, "depth"),
        ("other", "code_of_methods.py:other", None, None),
        ("other", "code_of_methods.py:other", None, "mode"),
    }
    assert config.own_code == ["code_of_methods.py:train", "code_of_methods.py:other"]


def test_losses_may_stand_beside_methods(load):
    config = load(
        trainable={"name": "code_of_methods.py:with_loss"},
        losses=["bce"],
        methods=[{"name": "plain", "function": "code_of_methods.py:other"}],
        spaces={"lr": {"low": 0.01, "high": 1.0}},
    )
    assert [entry.label for entry in config.entries] == ["bce", "plain"]


MISTAKES = {
    "takes no loss, so that all would be the same": {"losses": ["bce"]},
    "methods: code_of_methods.py:with_loss takes a loss": {
        "trainable": {"name": "code_of_methods.py:with_loss"}, "spaces": {}},
    "fixed.dept: code_of_methods.py:train takes no 'dept'; did you mean 'depth'": {
        "methods": [{"name": "a", "fixed": {"dept": 3}}], "spaces": {}},
    "spaces.depth: is fixed at 2": {
        "methods": [{"name": "a", "fixed": {"depth": 2}, "spaces": {"depth": {"low": 1, "high": 4}}}], "spaces": {}},
    "the study's own value of depth must lie in [5, 9], got 3": {"spaces": {"depth": {"low": 5, "high": 9}}},
    "there is no code_of_nobody.py beside the study file": {"trainable": {"name": "code_of_nobody.py:train"}},
    "metric: unknown metric 'acuracy'; did you mean 'accuracy'": {"metric": "acuracy"},
    "unknown measure 'speed'": {"measures": ["speed"]},
    "write {name: 'code_of_methods.py:other', better: higher}": {"measures": ["code_of_methods.py:other"]},
    "margin: accuracy must be a number between 0 and 1, got 2": {"margin": {"accuracy": 2}},
    "margin: unknown metric 'acc'": {"margin": {"acc": 0.1}},
    "methods: are for a training function": {
        "extends": "demo", "trainable": {"name": "probe"}, "spaces": {}, "measures": [], "metric": "f1",
        "methods": [{"name": "a", "function": "code_of_methods.py:other"}]},
}  # fmt: skip


@pytest.mark.parametrize("message", MISTAKES)
def test_a_mistake_in_the_study_file_is_one_line(load, message):
    with pytest.raises(UserError) as caught:
        load(**MISTAKES[message])
    lines = str(caught.value).splitlines()
    assert message in str(caught.value) and len(lines) == 2, lines


def test_a_score_of_the_function_is_judged_as_the_study_declares_it(load):
    config = load(metric="cost", margin=3)
    facts = make_study_facts(config, SplitFacts(name="own data"), {"mine": {"sweep": 6}})
    assert facts.sign == -1 and facts.margin == 3 and facts.measures["cost"].headline
    assert config.all_measures == ("headline", "rise", "returned:cost") and config.searched == ()


def test_a_try_says_what_the_function_gave(load):
    config = load()
    text = try_trials(config, make_planner(config), [], None)
    assert "tried with epochs 1" in text
    assert (
        "mine, seed 0, the default: done, accuracy 0.5" in text and "mine, seed 1, depth 9: done, accuracy 0.51" in text
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trainable": {"name": "code_of_methods.py:broken"}, "spaces": {}},
         "mine, seed 0: ZeroDivisionError: division by zero (code_of_methods.py, line 12)"),
        ({"trainable": {"name": "code_of_methods.py:silent"}, "spaces": {}, "measures": []},
         "metric: 'accuracy' is not among what code_of_methods.py:silent gives"),
        ({"measures": []}, "code_of_methods.py:train returned 'cost', which is no metric"),
    ],
)  # fmt: skip
def test_a_try_says_a_mistake_in_one_line(load, changes, message):
    config = load(**changes)
    with pytest.raises(UserError) as caught:
        try_trials(config, make_planner(config), [], None)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_search_looks_for_the_lowest_where_lower_is_better(load):
    from evenkeel.study.plan.outcome import Outcome
    from evenkeel.study.plan.study_searches import StudySearches
    from tests.test_pack_queue import MemoryJournal

    config = load(metric="cost", designs={"search": {"trials": 12, "batch": 4, "sampler": "tpe", "fresh_seeds": 1}})
    searches, outcomes = StudySearches(make_planner(config), MemoryJournal()), {}
    waiting = []
    while waiting := waiting or searches.ask(4, 1, outcomes):
        trial = waiting.pop(0)
        score = float(trial.setting.get("depth", 3))
        outcomes[trial.id] = Outcome("done", {"val_cost": score})
        waiting += searches.take_outcome(trial.id, outcomes)
    searched = [t.setting.get("depth", 3) for t in searches.trials.values() if t.design == "search"]
    winner = next(t for t in searches.trials.values() if t.design == "confirm" and t.group is not None)
    assert winner.setting.get("depth", 3) == min(searched)


def test_a_metric_of_one_label_is_refused_where_images_have_several(load):
    config = load(measures=[])
    with pytest.raises(UserError, match="accuracy is of data with one label an image, this data set has images with 2"):
        refuse_metric(config, SplitFacts(name="some", labels_per_image=(1, 2)))
    config = load(metric="auc_of_cat", measures=[])
    with pytest.raises(UserError, match="no class 'cat'; did you mean 'cats'"):
        refuse_metric(config, SplitFacts(name="some", labels_per_image=(1,), classes=("dog", "cats")))


def test_floors_are_what_a_constant_predictor_scores():
    """Against scikit-learn, with the most frequent class, or the shares, as the answer to every image."""
    import numpy as np
    from sklearn import metrics as reference

    y = np.repeat([0, 1, 2], [50, 30, 20])
    found = floors([50, 30, 20], 100, metric="auc_of_b", classes=["a", "b", "c"], groups={})
    constant, shares = np.zeros(100, int), np.tile([0.5, 0.3, 0.2], (100, 1))
    assert found["accuracy"] == reference.accuracy_score(y, constant)
    assert found["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(y, constant))
    assert found["f1_argmax"] == pytest.approx(reference.f1_score(y, constant, average="macro"))
    assert found["kappa"] == reference.cohen_kappa_score(y, constant)
    assert found["cross_entropy"] == pytest.approx(reference.log_loss(y, shares))
    binary = [(np.eye(3)[y][:, c], shares[:, c]) for c in range(3)]
    assert found["log_loss"] == pytest.approx(np.mean([reference.log_loss(*pair) for pair in binary]))
    assert found["brier"] == pytest.approx(np.mean([reference.brier_score_loss(*pair) for pair in binary]))
    assert found["auc_of_b"] == 0.5 and "accuracy" not in floors([60, 60], 100, metric="f1", classes=[], groups={})


def test_of_many_names_the_first_are_said_and_the_others_counted():
    assert [some_of(list(names), 2) for names in ("", "a", "ab", "abc", "abcde")] == [
        "", "a", "a and b", "a, b and 1 more", "a, b and 3 more"
    ]  # fmt: skip
