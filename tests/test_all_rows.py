"""`validation: none`: all rows that are not test train, nothing is chosen, and the page says what is not to be had."""

from dataclasses import replace

import numpy as np
import pytest

from evenkeel.reports.page.page import render, sections
from evenkeel.study.errors import UserError
from evenkeel.study.file.read import check_study, load_study
from evenkeel.trainables import TRAINABLES
from evenkeel.trainables.data.load import load
from evenkeel.trainables.data.settings import Validation
from evenkeel.trainables.data.stratify import rows_of
from evenkeel.trainables.measures import MEASURES
from tests.data.makers import csv_table, six
from tests.synthetic import study, table
from tests.test_sections import sharp
from tests.test_trainables import SETTINGS, Squares, run, trial


class AllRows(Squares):
    """The same squares, of which the val rows train too."""

    validation: Validation = Validation.model_validate("none")


def test_all_rows_that_are_not_test_train(tmp_path):
    data = csv_table(six(tmp_path), validation="none")
    images = load(data, 8, tmp_path / "cache")
    rows = rows_of(images.split, images.targets, images.group, data.validation, seed=3)
    assert {name: numbers.tolist() for name, numbers in rows.items()} == {
        "train": [0, 1, 2, 3],
        "val": [],
        "test": [4, 5],
    }
    assert data.identity()["validation"] == {"fraction": 0, "per_seed": False}
    assert csv_table(tmp_path, validation={"fraction": 0}) == csv_table(tmp_path, validation="none")
    assert "the 2 val rows of the tables join train, there is no val" in str(data.describe().odd)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_trainable_trains_on_them_and_scores_test_alone(name, tmp_path):
    settings = SETTINGS[name] | ({"schedule": "constant"} if name == "prompt" else {})
    kind = TRAINABLES[name].model_validate({"name": name, **settings})
    measured = [key for key, measure in MEASURES.items() if measure.needs == "scores"]
    prepared = kind.worker(tuple(measured)).prepare(AllRows(), tmp_path, "cpu")
    facts = prepared.describe([0])
    assert facts.rows == {"train": 48, "val": 0, "test": 24} and "val" not in facts.undefined
    (result,) = run((kind.worker(tuple(measured)), prepared), trial())
    assert (
        result.state == "done" and np.isfinite([result.metrics[f"test_{name}"] for name in ("f1", "map", "mauc")]).all()
    )
    scored = [name for name, value in result.metrics.items() if value is not None]
    assert not [name for name in scored if name.startswith("val_") or "tuned" in name]
    assert not any("tuned" in name for name in (*result.per_class, *result.images))


FILE = {
    "name": "all-rows", "data": {"name": "csv", "root": ".", "tables": {"all": "l.csv"}, "images": {"all": "i"},
                                 "label_column": "t", "split_column": "s", "validation": "none"},
    "trainable": {"name": "probe", "backbone": {"name": "test_resnet"}, "image_size": 16},
    "losses": ["bce", "ral"], "designs": {"sweep": {"levels": 3}}, "seeds": 5,
}  # fmt: skip
CLIP = {"image": {"name": "test_resnet"}, "text": {"width": 8, "heads": 1, "layers": 1}, "embedding": 8}


@pytest.mark.parametrize(
    ("changes", "choice"),
    [
        ({"designs": {"search": {"trials": 4, "groups": 1, "seeds_per_group": 1}}}, "designs.search"),
        ({"metric": "f1_tuned"}, "metric 'f1_tuned'"),
        ({"metric": "f1_tuned_of_cat"}, "metric 'f1_tuned_of_cat'"),
        ({"trainable": {"name": "prompt", "model": CLIP, "image_size": 16}}, "trainable.schedule 'plateau'"),
        ({"trainable": {"name": "lm-clip", "model": CLIP, "image_size": 16, "keep": "best"}}, "trainable.keep 'best'"),
    ],
)
def test_what_is_chosen_on_validation_is_refused(changes, choice):
    with pytest.raises(UserError, match=rf"data.validation: none leaves no rows that {choice} needs; leave that out"):
        check_study(FILE | changes)


def test_a_split_that_differs_from_seed_to_seed_is_refused():
    with pytest.raises(UserError, match="data.validation is none, so that all rows train"):
        check_study(FILE | {"vary": ["init", "split"]})


def test_the_file_says_it_in_one_word():
    config = check_study(FILE)
    assert config.data.validation == Validation(fraction=0) and check_study(config.model_dump(mode="json")) == config
    assert load_study("ral-cxr-lt", ["data.validation=none"]).data.validation == config.data.validation


def unvalidated(r):
    return replace(r, metrics={n: None if n.startswith("val_") or "tuned" in n else v for n, v in r.metrics.items()})


def test_the_page_says_what_is_not_to_be_had(rng):
    facts = study(data=replace(study().data, rows={"train": 8, "val": 0, "test": 4}))
    trials = table(rng, sharp, designs=("sweep", "sobol"), facts=facts, change=unvalidated)
    shown = {section.key for section in sections(trials)}
    assert not shown & {"tolerance", "budget", "tuned"} and {"verdicts", "profile", "win-probability"} <= shown
    page = render(trials)
    assert "There are no validation scores, so that there are no tuned thresholds" in page
    assert "macro F1 at validation-chosen thresholds" not in page and "nan" not in page.lower().split("<script")[0]
    assert "There are no validation scores" not in render(table(rng, sharp))
