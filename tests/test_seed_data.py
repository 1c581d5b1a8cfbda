"""The labels of a seed: the same whatever the loss, priors over labelled rows, for all trainables alike."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from evenkeel.trainables import TRAINABLES
from evenkeel.trainables.data.settings import ClassGroups, Validation
from evenkeel.trainables.data.split_facts import DataSplits
from evenkeel.trainables.finetune.model import build_model
from evenkeel.trainables.finetune.seed_images import DecodedImages, SeedImages
from evenkeel.trainables.finetune.settings import Finetune
from evenkeel.trainables.probe.settings import Probe
from evenkeel.trainables.seed_data import SeedData
from tests.test_trainables import SETTINGS, Squares, trial


def splits(targets, label_mask=None, validation=None):
    """The first rows train, the last 40 validation and test."""
    split = np.zeros(len(targets), dtype=np.uint8)
    split[-40:] = np.repeat((1, 2), 20)
    names = [f"class {c}" for c in range(targets.shape[1])]
    return DataSplits("rows", targets, split, None, names, validation, ClassGroups(), label_mask=label_mask)


def test_parts_of_the_train_rows_are_disjoint_and_hold_every_class(rng):
    targets = (rng.random((1040, 2)) < (0.5, 0.1)).astype(np.uint8)
    group = np.arange(1040) // 3
    whole = replace(splits(targets), group=group)
    cuts = [Probe.model_validate(SETTINGS["probe"] | {"train_part": (j, 4)}) for j in range(4)]
    parts = [replace(whole, cuts=own).rows(0)["train"] for own in cuts]
    assert sorted(np.concatenate(parts)) == whole.rows(0)["train"].tolist()
    assert not any(set(group[a]) & set(group[b]) for a, b in combinations(parts, 2))
    rare = np.zeros((1040, 1), dtype=np.uint8)
    rare[7] = 1
    assert all(rare[replace(splits(rare), cuts=own).rows(0)["train"]].any() for own in cuts)
    with pytest.raises(ValueError, match=r"0 <= j < k"):
        Probe.model_validate(SETTINGS["probe"] | {"train_part": (4, 4)})


@pytest.fixture
def few_labels():
    """1,000 train rows, 200 of them labelled, 100 of those positive."""
    targets = np.zeros((1040, 1), dtype=np.uint8)
    targets[:100] = 1
    mask = np.ones((1040, 1), dtype=bool)
    mask[200:1000] = False
    return splits(targets, mask)


def test_the_prior_is_the_frequency_among_labelled_rows(few_labels):
    data = SeedData.of(few_labels, 0, dtype=torch.float32, device="cpu")
    assert data.frequencies.tolist() == [0.5] and torch.sigmoid(data.prior_logits).tolist() == [0.5]
    assert data.loss_facts == {"counts": (100,), "total": 1000}


def test_a_fine_tuned_classifier_starts_at_the_frequencies_among_labelled_rows():
    """Every class has half of its labels: the prior is twice what it would be over all rows."""
    settings = Finetune.model_validate(SETTINGS["finetune"])
    decoded = DecodedImages.of(settings, Squares(), Path(), "cpu")
    mask = np.zeros_like(decoded.images.targets, dtype=bool)
    mask[::2] = True
    object.__setattr__(decoded.images, "label_mask", mask)
    object.__setattr__(decoded.images, "targets", decoded.images.targets * mask)
    images = SeedImages.of(decoded, settings, 0)
    bias = build_model(settings, images, 0).module.get_classifier().bias
    labels = decoded.images.targets[:24:2]
    torch.testing.assert_close(torch.sigmoid(bias), torch.tensor(labels.mean(0), dtype=torch.float32))


def test_counts_of_none_and_all_have_finite_logits():
    targets = np.zeros((80, 2), dtype=np.uint8)
    targets[:, 1] = 1
    logits = SeedData.of(splits(targets), 0, dtype=torch.float32, device="cpu").prior_logits
    assert torch.sigmoid(logits).tolist() == pytest.approx([0.5 / 40, 39.5 / 40])


def test_unknown_entries_are_masked_where_there_are_any(few_labels):
    data = SeedData.of(few_labels, 0, dtype=torch.float32, device="cpu")
    assert data.masked(torch.zeros(1000, 1), "train", -1.0).sum() == -800
    assert data.mask_of("train", torch.tensor([0, 999])).flatten().tolist() == [True, False]
    plain = SeedData.of(splits(few_labels.targets), 0, dtype=torch.float32, device="cpu")
    assert plain.masked(torch.zeros(1000, 1), "train", -1.0).sum() == 0 and plain.mask_of("val", torch.arange(3)).all()


def test_epochs_of_a_seed_are_orders_of_all_rows(few_labels):
    data = SeedData.of(few_labels, 0, dtype=torch.float32, device="cpu")
    first, again, other_epoch, other_seed = (data.epoch_rows(*at, None) for at in ((0, 0), (0, 0), (0, 1), (1, 0)))
    assert torch.equal(first, again) and sorted(first.tolist()) == list(range(1000))
    assert not torch.equal(first, other_epoch) and not torch.equal(first, other_seed)


class Carved(Squares):
    """Validation carved by seed."""

    validation: Validation = Validation()


DRAWING = "seed_data probe.heads prompt.context finetune.model finetune.train lm_clip.train lm_clip.step"


@pytest.mark.parametrize("name", SETTINGS)
def test_a_seed_draws_the_same_whatever_the_loss(name, tmp_path, monkeypatch):
    """Order of rows, rows and initial weights: all that a trainable draws from named streams is paired by seed."""
    drawn = []
    for module in DRAWING.split():
        record_streams(monkeypatch, f"evenkeel.trainables.{module}", drawn)
    worker = TRAINABLES[name].model_validate({"name": name, **SETTINGS[name]}).worker()
    prepared = worker.prepare(Carved(), tmp_path, "cpu")
    streams = {}
    for loss, seed in (("bce", 1), ("ral", 1), ("bce", 2)):
        drawn.clear()
        list(worker.run([trial(loss, seed=seed)], prepared, tmp_path))
        streams[loss, seed] = list(drawn)
    assert streams["bce", 1] == streams["ral", 1] != streams["bce", 2]
    assert {"order"} <= {name for (_, name, *_), _ in streams["bce", 1]}


def record_streams(monkeypatch, module, drawn):
    """Note what a module asks of the named streams, and what it is given."""
    import importlib

    from evenkeel.trainables.random_streams import stream_seed

    def recorded(*key):
        drawn.append((key, stream_seed(*key)))
        return drawn[-1][1]

    monkeypatch.setattr(importlib.import_module(module), "stream_seed", recorded)
