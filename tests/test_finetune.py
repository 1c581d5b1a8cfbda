"""Fine-tuning: exact micro-batches, resuming bit by bit, memory, augmentation, harm done to rows."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from evenkeel.trainables import TrainableError
from evenkeel.trainables.data.split_facts import DataSplits
from evenkeel.trainables.finetune.seed_images import DecodedImages
from evenkeel.trainables.finetune.settings import Finetune
from evenkeel.trainables.finetune.train import FinetuneRun, FinetuneWorker
from evenkeel.trainables.loop.augment import augmentation
from evenkeel.trainables.loop.corruption import corrupt
from evenkeel.trainables.loop.padding_taps import seen, zero_unseen
from evenkeel.trainables.loop.settings import Augmentation, Knobs
from evenkeel.trainables.loop.step import gradients, halving
from evenkeel.trainables.losses import Bal, Bce
from tests.test_trainables import SETTINGS, Squares, assert_same, trial

TINY = Finetune.model_validate(SETTINGS["finetune"])


@pytest.fixture(scope="module")
def images():
    return DecodedImages.of(TINY, Squares(), Path(), "cpu")


def make_run(images, folder, **settings):
    return FinetuneRun.of(trial(), TINY.with_changes(settings), images, folder)


@pytest.mark.parametrize("loss", [Bce(), Bal(weights=(1.0, 2.0, 3.0))])
def test_micro_batches_give_the_gradient_of_the_whole_batch(loss):
    """The batch maximum of bal couples all rows; dropout has its own seed for each micro-batch."""
    torch.manual_seed(0)
    module = nn.Linear(5, 3)
    x, y = torch.randn(12, 5), (torch.rand(12, 3) < 0.4).float()
    loss(module(x), y).mean().backward()
    expected = [p.grad.clone() for p in module.parameters()]
    for micro in (12, 5, 1):
        module.zero_grad()
        gradients(module, x, lambda logits: loss(logits, y).mean(), micro=micro, scale=nn.Identity(), seed=7)
        for parameter, gradient in zip(module.parameters(), expected, strict=True):
            torch.testing.assert_close(parameter.grad, gradient)


def test_dropout_is_the_same_in_both_passes():
    """With dropout in training mode, slopes belong to the logits that the loss saw: both draws of a part agree."""
    module = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 2, bias=False)).train()
    seen = []
    module[1].register_forward_hook(lambda _, given, out: seen.append(given[0].detach()))
    gradients(module, torch.ones(4, 4), lambda logits: logits.square().mean(), micro=2, scale=nn.Identity(), seed=3)
    first, second = torch.cat(seen[:2]), torch.cat(seen[2:])
    assert torch.equal(first, second) and 0 < (first == 0).float().mean() < 1


def test_memory_that_runs_out_halves_the_micro_batch_and_one_image_raises():
    def step(limit, micro):
        if micro > limit:
            raise RuntimeError("CUDA out of memory")
        return torch.tensor(float(micro))

    module = nn.Linear(1, 1)
    assert halving(16, partial(step, 5), module)[1] == 4
    with pytest.raises(RuntimeError, match="out of memory"):
        halving(16, partial(step, 0), module)


def test_another_error_is_no_lack_of_memory():
    def step(micro):
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        halving(16, step, nn.Linear(1, 1))


@pytest.mark.parametrize("settings", [{}, {"ema": 0.9, "optimiser": "sgd", "clip_grad": 1.0, "warmup_epochs": 1}])
def test_a_killed_trial_goes_on_bit_by_bit(images, tmp_path, settings):
    undisturbed = make_run(images, tmp_path / "whole", **settings).result(("headline",))
    torch.manual_seed(99)
    cut = make_run(images, tmp_path / "cut", checkpoint_minutes=0.0, **settings)
    for _ in range(3):  # one step into the second epoch
        cut.advance()
    cut.checkpoints.save(cut.state())
    cut.advance()  # lost with the worker
    resumed = make_run(images, tmp_path / "cut", **settings)
    assert resumed.progress.step == 3
    result = resumed.result(("headline",))
    assert result.metrics == undisturbed.metrics and result.curves == undisturbed.curves


def test_checkpoints_are_written_while_training(images, tmp_path):
    (done,) = FinetuneWorker(TINY.with_changes({"checkpoint_minutes": 0.0})).run([trial()], images, tmp_path)
    assert [path.name for path in (tmp_path / done[0].id).iterdir()] == ["checkpoint.pt"]


def test_small_micro_batches_train_alike_with_frozen_norms(images, tmp_path):
    settings = {"freeze_batch_norm": True, "augment": {"flip": 0.5}}
    whole, parts = (
        make_run(images, tmp_path / str(n), micro_batch=n, **settings).result(("headline",)) for n in (16, 5)
    )
    assert_same(whole, parts, 1e-4)


def test_a_last_row_alone_joins_the_batch_before(images, tmp_path):
    """Batch norm cannot train on one image whose features have no width."""
    whole, joined = (make_run(images, tmp_path / str(n), batch=n, schedule="constant") for n in (24, 23))
    assert joined.num_epoch_steps == whole.num_epoch_steps == 1
    whole, joined = (one.result(("headline",)) for one in (whole, joined))
    assert whole.metrics == joined.metrics and whole.note is joined.note is None


def test_parts_of_a_batch_are_about_alike():
    seen, module = [], nn.Linear(1, 1)
    module.register_forward_hook(lambda _, given, out: seen.append(len(given[0])))
    gradients(module, torch.ones(16, 1), torch.mean, micro=5, scale=nn.Identity(), seed=0)
    assert seen == [4] * 8


@pytest.mark.slow
@pytest.mark.long
def test_compiled_steps_train_alike(images, tmp_path):
    plain, compiled = (
        make_run(images, tmp_path / str(on), compile=on, deterministic=False).result(("headline",))
        for on in (False, True)
    )
    assert compiled.state == "done"
    assert_same(plain, compiled, 1e-4)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_trains_with_a_loss_in_single(images, tmp_path, precision):
    """The same after whatever the process ran before: memory that comes free holds NaN."""
    curves = set()
    for again in range(4):
        one = make_run(images, tmp_path / str(again), precision=precision)
        leave_nan_behind()
        result = one.result(("headline",))
        assert result.state == "done" and np.isfinite(result.curves["train_loss"]).all()
        curves.add(tuple(result.curves["train_loss"]))
    assert len(curves) == 1


def leave_nan_behind():
    for elements in (64, 1024, 9216, 65_536, 262_144, 1_048_576):
        [torch.full((elements,), torch.nan, dtype=torch.bfloat16) for _ in range(30)]


class TestUnseen:
    @pytest.mark.parametrize("kernel", [1, 3, 5])
    @pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (3, 2)])
    def test_taps_that_see_only_padding_have_no_slope(self, kernel, stride, dilation):
        """Against autograd in float64, on images of ones."""
        padding = dilation * (kernel // 2)
        for size in range(1, 9):
            weight = torch.zeros(1, 1, 1, kernel, dtype=torch.float64, requires_grad=True)
            image = torch.ones(1, 1, 1, size, dtype=torch.float64)
            nn.functional.conv2d(image, weight, None, (1, stride), (0, padding), (1, dilation)).sum().backward()
            assert torch.equal(seen(size, kernel, stride, padding, dilation), weight.grad[0, 0, 0] > 0)

    def test_a_convolution_in_half_precision_has_the_slopes_of_single(self):
        """One pixel under 3 x 3 taps, stride 2: on CPUs with bfloat16 units eight slopes were what memory held."""
        convolution = nn.Conv2d(24, 24, 3, stride=2, padding=1, bias=False)
        x = torch.randn(16, 24, 1, 1)
        convolution(x).sum().backward()
        expected = convolution.weight.grad.clone()
        convolution.zero_grad()
        zero_unseen(convolution)
        for _ in range(5):
            leave_nan_behind()
            with torch.autocast("cpu", torch.bfloat16):
                convolution(x).float().sum().backward()
            torch.testing.assert_close(convolution.weight.grad, expected, atol=0.1, rtol=0.02)
            convolution.zero_grad()


def test_augmentation_differs_from_image_to_image_and_repeats_with_the_seed():
    every = Augmentation(flip=0.5, rotate=15, crop=0.7, sharpen=0.5, erase=0.5, jitter=0.3)
    draw = augmentation(every, 3, 16)
    same = torch.rand(1, 3, 16, 16).expand(8, -1, -1, -1)
    torch.manual_seed(0)
    one, other = draw(same), draw(same)
    torch.manual_seed(0)
    assert torch.equal(one, draw(same)) and not torch.equal(one, other)
    assert len({image.sum().item() for image in one}) == 8 and one.shape == same.shape


def test_masked_labels_have_no_part_in_the_loss(images, tmp_path):
    """Other targets where nothing is known change no number."""
    found = images.images
    known = np.ones_like(found.targets, dtype=bool)
    known[:, 3] = np.arange(72) % 2 == 0
    results = []
    for lie in (0, 1):
        targets = np.where(known, found.targets, lie).astype(np.uint8)
        masked = replace(images, images=replace(found, targets=targets, label_mask=known))
        masked.__dict__["splits"] = DataSplits.of("squares", masked.images, None, TINY)
        task_of = make_run(masked, tmp_path / str(lie), bias="zero")
        results.append([task_of._criterion(task_of.loss, torch.arange(8))(torch.ones(8, 4) * 0.3) for _ in (0,)][0])
    assert results[0] == results[1]


class TestKnobs:
    ROWS = np.arange(1000, 1400)

    @pytest.fixture
    def targets(self, rng):
        shares = np.array([0.5, 0.3, 0.15, 0.05])
        return (rng.random((400, 4)) < shares).astype(np.uint8)

    def harm(self, targets, seed=0, **knobs):
        return corrupt(self.ROWS, targets, Knobs(**knobs), seed)

    def test_nothing_is_nothing(self, targets):
        rows, labels, _ = self.harm(targets)
        assert np.array_equal(rows, self.ROWS) and np.array_equal(labels, targets)

    def test_a_fraction_keeps_shares_of_classes(self, targets):
        rows, labels, kept = self.harm(targets, fraction=0.25)
        assert 90 <= len(rows) <= 110 and np.array_equal(targets[kept], labels) and labels.any(0).all()
        np.testing.assert_allclose(labels.mean(0), targets.mean(0), atol=0.06)

    def test_imbalance_steepens_the_profile(self, targets):
        _, labels, _ = self.harm(targets, imbalance=40)
        counts = np.sort(labels.sum(0))
        assert counts[-1] / counts[0] == pytest.approx(40, rel=0.5) and counts[0] >= 1

    def test_label_noise_moves_labels_but_no_count(self, targets):
        _, labels, _ = self.harm(targets, label_noise=0.5)
        assert np.array_equal(labels.sum(0), targets.sum(0))
        assert 0 < (labels != targets).any(1).mean() <= 0.5

    def test_missing_labels_are_lost_positives(self, targets):
        _, labels, _ = self.harm(targets, missing=0.4)
        assert (labels <= targets).all()
        np.testing.assert_allclose(labels.sum(0), 0.6 * targets.sum(0), atol=1)

    def test_seeds_repeat_and_differ(self, targets):
        one, again, other = (self.harm(targets, seed=s, fraction=0.5)[0] for s in (0, 0, 1))
        assert np.array_equal(one, again) and not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ({"name": "RN50", "library": "open_clip"}, "finetune trains timm models"),
        ({"name": "test_resnet", "warm_start": {}}, "leave it out"),
    ],
)
def test_backbones_that_make_no_sense_are_refused(backbone, message):
    with pytest.raises(ValueError, match=message):
        TINY.with_changes({"backbone": backbone})


def test_unknown_optimisers_are_named(images, tmp_path):
    with pytest.raises(ValueError, match="trainable.optimiser: timm makes no 'adamm'"):
        make_run(images, tmp_path, optimiser="adamm")


VIT = {"name": "vit_tiny_patch16_224", "model_args": {"img_size": 16, "depth": 1}}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": {"name": "resnet19"}}, "timm has no model 'resnet19'; did you mean"),
        (
            {"backbone": {"name": "resnet10t", "pretrained": "c3_in2k"}},
            "backbone.pretrained: timm has no weights 'c3_in2k' of resnet10t; one of c3_in1k",
        ),
        (
            {"backbone": {"name": "vit_tiny_patch16_224", "model_args": {"depth": 1}}},
            "image_size 16 does not fit .* 224",
        ),
        ({"backbone": VIT}, r"measures: resolution shows the model images of 24 pixels.*leave it out, or"),
        ({"augment": {"jitter": 0.2}}, "augment.jitter: needs colour images"),
        ({"optimiser": "sgdd"}, "timm makes no 'sgdd'"),
    ],
)
def test_what_would_fail_in_every_trial_is_said_before_any(settings, message):
    worker = FinetuneWorker(Finetune.model_validate(SETTINGS["finetune"] | settings), ("headline", "resolution"))
    with pytest.raises(TrainableError, match=message):
        worker.prepare(Squares(), Path(), "cpu")


def test_a_transformer_that_takes_any_size_may_be_measured_at_others():
    any_size = {
        "backbone": VIT | {"model_args": VIT["model_args"] | {"dynamic_img_size": True, "dynamic_img_pad": True}}
    }
    FinetuneWorker(Finetune.model_validate(SETTINGS["finetune"] | any_size), ("resolution",)).prepare(Squares(), Path())


def rates(epochs, warmup_epochs, steps_per_epoch=4):
    """The learning rate of every step."""
    from evenkeel.trainables.models.training import make_optimiser, make_schedule

    settings = TINY.with_changes({"epochs": epochs, "warmup_epochs": warmup_epochs, "lr": 0.1, "min_lr": 0.01})
    optimiser = make_optimiser(nn.Linear(2, 2), settings)
    schedule = make_schedule(optimiser, settings, steps_per_epoch)
    taken = []
    for step in range(epochs * steps_per_epoch + 1):
        schedule.step_update(step)
        taken.append(optimiser.param_groups[0]["lr"])
    return taken


def test_the_rate_rises_to_lr_and_falls_by_a_whole_cosine():
    """Ten epochs, five of them warm-up: the first step after it has lr, the end of the budget has min_lr."""
    taken = rates(10, 5)
    assert taken[:20] == pytest.approx([0.1 * step / 20 for step in range(20)])
    expected = [0.01 + 0.09 * (1 + np.cos(np.pi * step / 20)) / 2 for step in range(21)]
    assert taken[20:] == pytest.approx(expected)
    assert rates(5, 0) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"warmup_epochs": 2}, "warmup_epochs must be below epochs, got 2 of 2"),
        ({"warmup_epochs": 1, "schedule": "constant"}, "a constant rate has no warm-up"),
    ],
)
def test_a_warm_up_that_leaves_no_epoch_at_lr_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        TINY.with_changes({"epochs": 2} | change)
