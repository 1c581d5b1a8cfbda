"""What seeds vary: what is in `vary` differs from seed to seed, what is not is the same; for every trainable."""

from pathlib import Path

import numpy as np
import pytest

from evenkeel.study.errors import UserError
from evenkeel.study.file.read import load_study
from evenkeel.trainables import TRAINABLES
from evenkeel.trainables.data.settings import ClassGroups, Validation
from evenkeel.trainables.data.split_facts import DataSplits
from evenkeel.trainables.seeds import SOURCES, USUAL, Seeds, bootstrap
from tests.test_trainables import SETTINGS, TINY_CLIP, Squares, run, trial

PRETRAINED_HERE = TINY_CLIP | {"pretraining": {"pairs": "train", "epochs": 1, "batch": 12}}
MAKES_ITS_BACKBONE = {
    "probe": {"backbone": {"name": "test_resnet", "warm_start": {"epochs": 1, "batch": 16}}},
    "prompt": {"model": PRETRAINED_HERE},
    "lm-clip": {"model": PRETRAINED_HERE},
}


class Carved(Squares):
    """The same images, validation carved by seed."""

    name: str = "carved"
    validation: Validation = Validation(fraction=0.4)

    def fingerprint(self):
        return "carved"


def made(name, vary, data, cache):
    settings = SETTINGS[name] | MAKES_ITS_BACKBONE.get(name, {})
    model = TRAINABLES[name].model_validate({"name": name, **settings, "vary": vary})
    worker = model.worker()
    return worker, worker.prepare(data, cache, "cpu")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("vary")


def possible():
    """Each trainable with each source that it can vary on carved data."""
    for name in SETTINGS:
        model = TRAINABLES[name].model_validate({"name": name, **SETTINGS[name], **MAKES_ITS_BACKBONE.get(name, {})})
        yield from ((name, source) for source in SOURCES if source not in model.fixed(Carved()))


@pytest.mark.parametrize(("name", "source"), list(possible()))
def test_one_source_alone_makes_seeds_differ(name, source, cache):
    one, other = (run(made(name, [source], Carved(), cache), trial("bce", seed=seed))[0] for seed in (1, 2))
    assert one.curves["train_loss"] != other.curves["train_loss"]


@pytest.mark.parametrize("name", SETTINGS)
def test_what_no_source_moves_is_the_same_for_all_seeds(name, cache):
    """Where only the split may vary, and it is fixed, two seeds agree to the last bit."""
    both = made(name, ["split"], Squares(), cache)
    one, other = (run(both, trial("bce", seed=seed))[0] for seed in (1, 2))
    assert one.curves == other.curves and one.metrics == other.metrics


@pytest.mark.parametrize("name", SETTINGS)
def test_the_usual_is_left_out_of_the_identity(name):
    """Trial ids of studies that do not say what varies stay as they were."""
    plain, said, other = (
        TRAINABLES[name].model_validate({"name": name, **SETTINGS[name], "vary": vary}).identity(Squares())
        for vary in (None, USUAL, ["init"])
    )
    assert plain == said and "vary" not in plain and other == plain | {"vary": ["init"]}


@pytest.mark.parametrize("name", SETTINGS)
def test_what_varies_on_fixed_splits(name):
    model = TRAINABLES[name].model_validate({"name": name, **SETTINGS[name]})
    assert "split" not in model.varies(Squares()) and "split" in model.varies(Carved())
    assert "train_rows" not in model.varies(Carved())


def test_the_bootstrap_is_the_same_for_all_losses_and_leaves_the_rest(cache):
    _, prepared = made("probe", ["train_rows"], Squares(), cache)
    facts = prepared.splits(prepared.of_seed(1))
    rows, again, other = facts.rows(1), facts.rows(1), facts.rows(2)
    official = DataSplits.of("squares", Squares().load(16, Path()), None, ClassGroups())
    assert (rows["train"] == again["train"]).all() and not np.array_equal(rows["train"], other["train"])
    assert all((rows[split] == official.rows(1)[split]).all() for split in ("val", "test"))
    assert set(rows["train"]) < set(official.rows(1)["train"]) and len(rows["train"]) == 24


class TestBootstrap:
    def test_keeps_about_as_many_different_rows_as_it_should(self):
        """1 - 1/e of them."""
        targets = np.ones((2000, 1))
        shares = [len(set(bootstrap(np.arange(2000), targets, None, seed))) / 2000 for seed in range(20)]
        assert np.mean(shares) == pytest.approx(1 - np.exp(-1), abs=0.005)

    def test_draws_whole_groups(self):
        rows, group = np.arange(30), np.repeat(np.arange(10), 3)
        drawn = bootstrap(rows, np.ones((30, 1)), group, 0)
        assert (np.ptp(np.bincount(drawn, minlength=30).reshape(10, 3), axis=1) == 0).all() and len(drawn) == 30

    def test_no_class_loses_all(self):
        targets = np.eye(20, dtype=np.uint8)
        for seed in range(20):
            assert (targets[bootstrap(np.arange(20), targets, None, seed)].sum(0) > 0).all()


def test_seeds_by_source():
    assert Seeds.of(None, 7) == (7, 7, 7, None, 0)
    assert Seeds.of(["train_rows", "backbone"], 7) == (0, 0, 0, 7, 7)


@pytest.mark.parametrize(
    ("vary", "words"),
    [
        (
            "[split]",
            "split is the same for every seed (digits-mlt has a fixed validation split); leave split out",
        ),
        ("[weather]", "vary: nothing is called 'weather'"),
        ("init", "vary: must be a list of init, order, split, train_rows, backbone, got 'init'"),
        ("[]", "vary: must be a list of"),
    ],
)
def test_errors_name_the_way_out(vary, words):
    with pytest.raises(UserError) as error:
        load_study("demo", [f"vary={vary}"])
    assert words in str(error.value) and len(str(error.value).splitlines()) == 2


def test_a_backbone_whose_weights_are_given_cannot_vary():
    with pytest.raises(UserError, match=r"its weights are given; add backbone\.warm_start"):
        load_study("demo", ["vary=[backbone]", "trainable.backbone={name: test_resnet, pretrained: true}"])


def test_vary_is_a_key_of_the_study():
    with pytest.raises(UserError, match="write vary: beside trainable:"):
        load_study("demo", ["trainable.vary=[init]"])


def test_a_trainable_that_does_not_hear_is_refused_by_name():
    with pytest.raises(UserError, match="does not say what its seeds vary"):
        load_study("demo", ["vary=[init]", "trainable={name: 'tests.test_vary:Deaf'}"])


class Deaf:
    """A trainable of somebody who has not read of `vary`."""
