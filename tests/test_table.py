"""The walls of the report: facts and rows as types, to JSON and back, with nothing lost in silence."""

import json
import pickle
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenkeel.reports.facts import MeasureFacts
from evenkeel.reports.page.page import render
from evenkeel.reports.sections.measurements import Measurements
from evenkeel.reports.table.designs import sweep_of, with_metric
from evenkeel.reports.table.trial_table import IDENTITY, STATES, TrialRow, facts_of, trial_table
from evenkeel.study.errors import UserError
from evenkeel.study.records.facts import MEASURES, make_study_facts, read_facts
from evenkeel.study.records.ledger import Ledger
from evenkeel.trainables.data.split_facts import SplitFacts
from tests.synthetic import row, study, table
from tests.test_sections import sharp

FORMER = {
    "name": "old", "description": "", "metric": "map", "margin": 0.02, "reduction": "mean", "seeds": [0, 1],
    "fresh_seeds": [], "designs": {"sweep": {"levels": 3}}, "planned": {"asl": {"sweep": 6}},
    "data": {"name": "digits-mlt", "classes": ["0", "1"], "train_counts": [9, 2], "rows": {"train": 11},
             "groups": {"head": [0], "tail": [1]}, "labels_per_image": [1], "undefined": {"val": []}},
    "trainable": {"name": "probe", "backbone": {"name": "test_resnet"}, "epochs": 20, "batch": 256, "lr": 0.005},
    "losses": {"asl": {"loss": "asl", "fixed": {"focusing": "full"}, "defaults": {"clip": 0.05, "focusing": "full"},
                       "space": {"clip": {"low": 0.0, "high": 0.25, "default": 0.05, "symbol": "m", "source": "code",
                                          "log": False, "kind": "float"}}}},
}  # fmt: skip
"""As version 0.2.0 wrote it."""


def test_facts_go_to_json_and_back():
    facts = study()
    assert read_facts(json.loads(json.dumps(facts.to_json()))) == facts


@pytest.mark.parametrize("broken", [{}, {"name": "x"}, {"measures": 3}, study().to_json() | {"colour": "blue"}])
def test_what_are_no_facts_is_refused(broken):
    with pytest.raises(UserError, match="study.json: .*; was it written by a newer evenkeel"):
        read_facts(broken)


def test_facts_of_a_study_file_survive_storing():
    from evenkeel.study.file.read import load_study

    data = SplitFacts(
        name="digits-mlt", classes=("a",), rows={"val": 3}, groups={"head": (0,)}, undefined={"val": ()}, dimension=7
    )
    facts = make_study_facts(load_study("demo"), data, {"bce": {"sweep": 6}})
    assert read_facts(json.loads(json.dumps(facts.to_json()))) == facts
    assert facts.margins == dict.fromkeys(("f1", "f1_tuned", "map", "mauc"), 0.01)
    assert facts.losses["asl"].space["clip"].high == 0.25 and facts.data.rows == {"val": 3}
    assert "test_resnet" in " ".join(facts.trainable.values())


def test_a_table_of_ones_own_is_called_by_its_folder(tmp_path):
    from evenkeel.study.file.read import load_study

    study_file = tmp_path / "own.yaml"
    study_file.write_text("extends: corel5k\ndata: {root: /data/flowers}\n")
    facts = make_study_facts(load_study(str(study_file)), SplitFacts(name="csv", classes=("a",)), {})
    assert facts.data.title == "csv (flowers)" and facts.data.words.startswith("csv (flowers): 1 classes")


def test_the_floor_is_what_the_same_answer_for_every_image_scores():
    """Against scikit-learn: always "yes" for F1, one score for all else; a class without positives is left out."""
    from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

    from evenkeel.study.file.read import load_study

    targets = np.array([[1, 0, 0]] * 3 + [[1, 1, 0]] * 2 + [[0, 0, 0]] * 5)
    same = np.ones(10)
    data = SplitFacts(name="x", rows={"test": 10}, positives={"test": tuple(targets.sum(0).tolist())})
    floor = make_study_facts(load_study("demo"), data, {}).data.floor
    for name, score in (("f1", f1_score), ("map", average_precision_score), ("mauc", roc_auc_score)):
        assert floor[name] == pytest.approx(np.mean([score(targets[:, c], same) for c in (0, 1)]))


def test_what_0_2_0_stored_is_read():
    facts = read_facts(FORMER)
    assert facts.margin == 0.02 and facts.title == "mAP" and facts.data.groups == {"head": (0,), "tail": (1,)}
    assert facts.trainable == {"model": "test_resnet, frozen", "training": "20 epochs, batch 256, lr 0.005"}
    assert facts.losses["asl"].space["clip"].symbol == "m" and list(facts.measures) == list(MEASURES)


@pytest.mark.parametrize("stored", [{}, {"name": "x", "margin": 1}, study().to_json() | {"colour": "blue"}])
def test_a_stored_study_that_cannot_be_read_is_a_line_not_a_traceback(stored):
    with pytest.raises(UserError, match="folder/study.json: .*written by a newer evenkeel"):
        read_facts(stored, "folder/study.json")


def test_identity_columns_are_the_fields_of_a_row(rng):
    names = [f.name for f in fields(TrialRow) if f.name not in ("hyperparameters", "metrics", "images", "classes")]
    assert list(IDENTITY) == names == list(table(rng, lambda *_: 0.5).columns[: len(names)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"state": "lost"}, "unknown state 'lost'"),
        ({"design": "grid"}, "design 'grid'"),
        ({"metrics": {"test_ece": 0.1}}, "undeclared metric test_ece"),
    ],
)
def test_a_row_that_would_be_left_out_in_silence_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        trial_table([replace(row(0, "bce", "sweep", 0, {}, 0.5), **change)], study())
    assert "done" in STATES


def test_a_declared_measurement_reaches_the_page_without_another_line(rng):
    extra = {"ece": MeasureFacts("calibration error", better="lower", splits=("test",), parts=("head",))}
    facts = study(measures=MEASURES | extra)
    trials = table(rng, lambda label, _: 0.1 + 0.2 * (label == "ral"), noise=0.0, facts=facts)
    section = Measurements()
    info = section.compute(trials, rng)
    assert [(c.split, c.part) for c in info.columns] == [("test", ""), ("test", "head")]
    assert info.columns[0].by_loss["ral"].value == pytest.approx(0.3 + 0.02 * np.mean(np.sin(range(6))))
    page = render(trials)
    assert "calibration error" in page and page.count('name="metric"') == 4
    assert "Other measurements" not in render(table(rng, lambda *_: 0.5))


class TestMoved:
    def test_records_that_do_not_say_what_moved_are_read_by_their_values(self, rng):
        new = table(rng, lambda *_: 0.5)
        old = table(np.random.default_rng(0), lambda *_: 0.5, change=lambda r: replace(r, moved=None))
        assert new.moved.tolist() == old.moved.tolist() and set(new.moved.dropna()) == {
            "gamma_neg",
            "clip",
            "hill_lambda",
        }

    def test_a_level_is_found_by_what_moved_not_by_comparing_floats(self, rng):
        """A default that differs in its last digit from the value a record holds is still the default."""

        def nudge(r):
            if r.design == "sweep" and r.moved == "gamma_neg":
                return replace(r, hyperparameters=r.hyperparameters | {"clip": r.hyperparameters["clip"] + 1e-17})
            return r

        sweep = sweep_of(table(rng, lambda *_: 0.5, change=nudge), "ral", "gamma_neg")
        assert len(sweep.levels) == 5 and np.isfinite(sweep.scores_LS).all()

    def test_a_trial_that_departs_in_no_setting_of_the_trainable_is_at_the_default(self):
        """It names only the settings in which it departs from the study's."""
        facts = study()
        loss = facts.losses["apl"]
        space = {name: replace(next(iter(loss.space.values())), default=0.1) for name in ("lr", "weight_decay")}
        loss = replace(loss, space=loss.space | space, defaults=loss.defaults | {"lr": 0.1, "weight_decay": 0.1})
        facts = replace(facts, losses=facts.losses | {"apl": loss})
        setting = study().losses["apl"].defaults
        rows = [replace(row(n, "apl", "sweep", 0, setting, 0.5), moved=None) for n in range(2)]
        rows[1] = replace(rows[1], hyperparameters=setting | {"lr": 0.2})
        found = trial_table(rows, facts)
        assert found.sort_values("trial_id").moved.fillna("").tolist() == ["", "lr"]
        assert set(found["hp.weight_decay"]) == {0.1}

    def test_two_at_once_are_refused(self):
        facts = study()
        setting = facts.losses["apl"].defaults | {"clip": 0.1, "gamma_neg": 3.0}
        with pytest.raises(ValueError, match="moved gamma_neg, clip at once"):
            trial_table([replace(row(0, "apl", "sweep", 0, setting, 0.5), moved=None)], facts)


def test_facts_are_shared_not_copied(rng):
    trials = table(rng, lambda *_: 0.5)
    assert facts_of(trials[trials.seed == 0].copy()) is facts_of(trials)
    assert facts_of(with_metric(trials, "map")).chosen_by == "f1" and facts_of(trials).chosen_by is None


def test_the_facts_say_where_a_default_is_not_the_published_one():
    """The demo fixes focusing at full: so RAL and BAL were published, ASL and APL hold it."""
    from evenkeel.study.file.read import load_study

    losses = make_study_facts(load_study("demo"), SplitFacts(name="digits-mlt"), {}).losses
    held = {"focusing": "held"}
    assert {label: facts.published for label, facts in losses.items()} == {
        "bce": {}, "asl": held, "apl": held, "ral": {}, "bal": {}
    }  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
WRITTEN = study().to_json()


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([(k,) for k in WRITTEN] + [("data", k) for k in WRITTEN["data"]]), JSON | st.just("left out"))
def test_facts_of_any_contents_are_read_or_refused(place, value):
    contents = json.loads(json.dumps(WRITTEN))
    inner = contents["data"] if len(place) > 1 else contents
    if value == "left out":
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    try:
        assert read_facts(json.loads(json.dumps(read_facts(contents).to_json()))) == read_facts(contents)
    except UserError as error:
        assert "study.json" in str(error) and "\n" not in str(error)


@settings(max_examples=100, deadline=None)
@given(JSON | st.fixed_dictionaries({"config": JSON, "summary": JSON}, optional={"identity": JSON, "x": JSON}))
def test_a_study_file_of_any_contents_is_a_study_or_none(tmp_path_factory, contents):
    folder = tmp_path_factory.mktemp("any")
    (folder / "study.json").write_text(json.dumps(contents))
    found = Ledger(str(folder), "tiny").read_study()
    assert found is None or (isinstance(found.name, str) and isinstance(found.summary, dict))


def test_a_table_can_be_pickled(rng):
    trials = table(rng, sharp)
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(trials)), trials)
