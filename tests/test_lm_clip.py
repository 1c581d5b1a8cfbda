"""LM-CLIP: the published step written plainly, resume with the same bytes, baselines, divergence as an outcome."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from evenkeel.search_spaces import SPACES
from evenkeel.trainables import TrainableError, Trial
from evenkeel.trainables.data.digits import DigitsMlt
from evenkeel.trainables.data.image_set import ImageSet
from evenkeel.trainables.data.settings import DataSettings
from evenkeel.trainables.lm_clip import train
from evenkeel.trainables.lm_clip.settings import LmClip
from evenkeel.trainables.models.clip_store import ClipStore
from evenkeel.trainables.random_streams import stream_seed


class FewDigits(DataSettings):
    """Every 20th scene of digits-mlt, and those of its rarest digit, so that each class is there."""

    name: str = "few"
    validation: None = None

    def fingerprint(self) -> str:
        return "few"

    def load(self, image_size: int, cache: Path) -> ImageSet:
        full = DigitsMlt().load(image_size, cache)
        rare = full.targets[:, full.train_counts().argmin()] > 0
        at = np.flatnonzero((np.arange(len(full.split)) % 20 == 0) | (rare & (full.split == 0)))
        return ImageSet(full.images[at], full.targets[at], full.split[at], None, full.classes)


DATA = FewDigits()
SETTINGS = {
    "name": "lm-clip",
    "model": {"image": {"name": "test_resnet"}, "text": {"width": 16, "heads": 2, "layers": 1}, "embedding": 12},
    "image_size": 32,
    "epochs": 2,
    "batch": 50,
    "lr": 1e-3,
    "precision": "float64",
    "deterministic": True,
}
LM_CLIP = LmClip.model_validate(SETTINGS)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> ClipStore:
    return LM_CLIP.worker().prepare(DATA, tmp_path_factory.mktemp("cache"))


def trial(loss="bal", seed=0, settings=None, **moved):
    return Trial(
        loss=loss,
        hyperparameters=SPACES[loss].defaults() | moved,
        seed=seed,
        data={"name": "few"},
        trainable=SETTINGS,
        settings=settings or {},
        design="sweep",
        label=loss,
    )


def run(trials, store, place):
    return [result for _, result in LM_CLIP.worker().run(trials, store, place)]


def plain_lm_clip(store, *, bal_weight, loss):
    """(test targets, scores): captions and prompts read at all 77 tokens, once per row and class, AdamW, cosine."""
    model = store.model(0)
    module = model.module.double()
    rows, targets = store.splits.rows(0), torch.tensor(store.images.targets).double()
    tokens = model.text.tokens([
        "a photo of a " + ", ".join(str(c) for c in range(10) if row[c]) for row in targets.tolist()
    ])  # fmt: skip
    prompts = model.text.tokens([f"a photo of a {c}" for c in range(10)])
    normalise = torch.nn.functional.normalize
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-3, betas=(0.9, 0.98), eps=1e-9, weight_decay=0.01)
    module.train()
    for epoch in range(2):
        generators = [torch.Generator().manual_seed(stream_seed(0, name, epoch)) for name in ("order", "augmentation")]
        order = torch.randperm(len(rows["train"]), generator=generators[0])
        mirrored = torch.rand(len(order), generator=generators[1]) < 0.5
        optimiser.param_groups[0]["lr"] = 1e-3 * (1 + math.cos(math.pi * epoch / 2)) / 2
        for batch, flips in zip(order.split(50), mirrored.split(50), strict=True):
            at = rows["train"][batch.numpy()]
            shown = np.stack([
                image[:, ::-1] if flip else image for image, flip in zip(store.images.images[at], flips, strict=True)
            ])  # fmt: skip
            u = normalise(module.encode_image(model.pixels(torch.tensor(shown))), dim=-1)
            v = normalise(module.encode_text(tokens[at]), dim=-1)
            w = normalise(module.encode_text(prompts), dim=-1)
            k = module.logit_scale.exp()
            pairs = k * u @ v.T
            towards_text = -torch.log_softmax(pairs, 1).diagonal().mean()
            towards_image = -torch.log_softmax(pairs, 0).diagonal().mean()
            total = (towards_text + towards_image) / 2 + bal_weight * loss(k * u @ w.T, targets[at]).mean()
            optimiser.zero_grad()
            total.backward()
            optimiser.step()
    module.eval()
    with torch.no_grad():
        pixels = model.pixels(torch.tensor(store.images.images[rows["test"]]))
        u = normalise(module.encode_image(pixels), dim=-1)
        w = normalise(module.encode_text(prompts), dim=-1)
        return targets[rows["test"]].numpy(), torch.softmax(module.logit_scale.exp() * u @ w.T, -1).numpy()


def test_equals_the_published_step_written_plainly(store, tmp_path):
    from sklearn.metrics import average_precision_score

    from tests.losses.plain import PLAIN

    (result,) = run([trial("asl", focusing="full", settings={"bal_weight": 3.0})], store, tmp_path)
    asl = lambda x, y: PLAIN["asl"](x, y, focusing="full")  # noqa: E731
    truth, scores = plain_lm_clip(store, bal_weight=3.0, loss=asl)
    expected = average_precision_score(truth, scores, average="macro")
    assert result.metrics["test_map"] == pytest.approx(expected, abs=1e-9)


def test_settings_of_a_trial_are_honoured_and_trials_do_not_touch_each_other(store, tmp_path):
    """Every setting that a study may vary moves the numbers; a trial alone is the trial among others."""
    varied = [
        {"lr": 3e-3}, {"bal_weight": 4.0}, {"weight_decay": 1.0}, {"epochs": 1}, {"batch": 25}, {"flip": 0.0},
        {"prompts_every": 3, "bal_weight": 4.0}, {"temperature_cap": 5.0}, {"trains": ["image"]},
        {"batch_norm": "frozen"}, {"schedule": "constant"}, {"sampling": {"form": "published", "s": 1.0}},
        {"sampling": {"form": "published"}, "tied_sampling": True}, {"contrastive_weight": 0.0},
    ]  # fmt: skip
    trials = [trial(), *(trial(settings=settings) for settings in varied)]
    together = run(trials, store, tmp_path)
    losses = [result.curves["train_loss"] for result in together]
    assert len({tuple(curve) for curve in losses}) == len(trials)
    for at in (0, 5):
        assert run([trials[at]], store, tmp_path / "alone")[0].curves == together[at].curves


class Cut(Exception):
    """A lost worker."""


@pytest.mark.parametrize("settings", [{}, {"keep": "best", "prompts_every": 3, "sampling": {"form": "printed"}}])
def test_a_cut_off_trial_ends_with_the_same_bytes(store, tmp_path, monkeypatch, settings):
    settings = {"checkpoint_minutes": 1e-9, "precision": "float32", **settings}
    (whole,) = run([trial(settings=settings)], store, tmp_path / "whole")
    step, calls = train.LmClipRun.step, iter(range(100))

    def cut(*arguments):
        if next(calls) == 7:
            raise Cut
        return step(*arguments)

    monkeypatch.setattr(train.LmClipRun, "step", cut)
    with pytest.raises(Cut):
        run([trial(settings=settings)], store, tmp_path / "cut")
    assert [path.name for path in (tmp_path / "cut" / trial(settings=settings).id).iterdir()] == ["checkpoint.pt"]
    monkeypatch.setattr(train.LmClipRun, "step", step)
    (resumed,) = run([trial(settings=settings)], store, tmp_path / "cut")
    assert (resumed.metrics, resumed.per_class, resumed.curves) == (whole.metrics, whole.per_class, whole.curves)


@pytest.mark.parametrize("settings", [{}, {"prompts_every": 3, "trains": ["image"]}])
def test_micro_batches_give_the_numbers_of_the_whole_batch(store, tmp_path, settings):
    """With frozen norms; 50 images in parts of 7, class prompts and captions in as many."""
    settings = settings | {"batch_norm": "frozen", "epochs": 1}
    whole, parts = (
        run([trial(settings=settings | {"micro_batch": micro})], store, tmp_path / str(micro))[0] for micro in (None, 7)
    )
    assert parts.curves["train_loss"] == pytest.approx(whole.curves["train_loss"], rel=1e-9)
    assert parts.metrics == pytest.approx(whole.metrics, abs=1e-6) and parts.note is None


def test_memory_that_runs_out_halves_the_micro_batch(store, tmp_path, monkeypatch):
    from evenkeel.trainables.models.clip import ClipModel

    encode = ClipModel.encode_images

    def small(model, images):
        if model.module.training and len(images) > 13:
            raise RuntimeError("CUDA out of memory")
        return encode(model, images)

    settings = {"batch_norm": "frozen", "epochs": 1}
    (whole,) = run([trial(settings=settings)], store, tmp_path / "whole")
    monkeypatch.setattr(ClipModel, "encode_images", small)
    (halved,) = run([trial(settings=settings)], store, tmp_path / "halved")
    assert halved.note == "memory ran out: trained in micro-batches of 13"
    assert halved.curves["train_loss"] == pytest.approx(whole.curves["train_loss"], rel=1e-9)


def test_zero_shot_is_the_model_as_it_is(store, tmp_path):
    from sklearn.metrics import average_precision_score

    (result,) = run([trial(settings={"epochs": 0})], store, tmp_path)
    model = store.model(0)
    module, rows = model.module.eval(), store.splits.rows(0)["test"]
    with torch.no_grad():
        texts = model.text.tokens([f"a photo of a {c}" for c in range(10)])
        logits, _ = module.get_logits(model.pixels(torch.tensor(store.images.images[rows])), texts)
    truth = store.images.targets[rows]
    expected = average_precision_score(truth, logits.softmax(-1).numpy(), average="macro")
    assert result.metrics["test_map"] == pytest.approx(expected, abs=1e-6) and result.curves == {}


def test_the_contrastive_loss_alone_ignores_the_other_loss(store, tmp_path):
    bal, asl = run([trial(loss, settings={"bal_weight": 0.0}) for loss in ("bal", "asl")], store, tmp_path)
    assert bal.metrics == asl.metrics and bal.curves == asl.curves


def test_a_diverged_trial_is_scored_at_the_floor(store, tmp_path):
    diverged, done = run([trial(settings={"lr": 1e3}), trial()], store, tmp_path)
    assert (diverged.state, done.state) == ("diverged", "done")
    assert "not finite in epoch 1" in diverged.note and diverged.epochs_done == 0
    y = store.images.targets[store.splits.rows(0)["test"]]
    assert diverged.metrics["test_map"] == pytest.approx(y.mean(0).mean())  # a constant score ranks nothing


def test_the_best_epoch_is_the_one_with_the_highest_validation_map(store, tmp_path):
    (result,) = run([trial(settings={"keep": "best", "epochs": 4, "lr": 1e-2})], store, tmp_path)
    assert result.metrics["val_map"] == pytest.approx(max(result.curves["val_map"]), abs=1e-12)


def test_nothing_to_train_and_loose_ties_are_refused():
    with pytest.raises(ValueError, match="both 0"):
        LmClip.model_validate(SETTINGS | {"bal_weight": 0, "contrastive_weight": 0})
    with pytest.raises(ValueError, match="needs sampling"):
        LmClip.model_validate(SETTINGS | {"tied_sampling": True})


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"name": "ViT-B-61"}, "no model 'ViT-B-61'; did you mean 'ViT-B-16'"),
        ({"name": "RN50", "pretrained": "opnai"}, "no weights 'opnai' of RN50; one of openai"),
        ({"name": "RN50", "weights": "/nowhere/x.pt"}, "does not exist"),
    ],
)
def test_unknown_models_are_named(model, message, tmp_path):
    settings = LmClip.model_validate(SETTINGS | {"model": model})
    with pytest.raises(TrainableError, match=message):
        settings.worker().prepare(DATA, tmp_path)


def test_ids_do_not_hang_on_how_often_a_trial_is_saved():
    often, other = (LmClip.model_validate(SETTINGS | changed) for changed in ({"checkpoint_minutes": 1.0}, {"lr": 2.0}))
    assert often.identity(DATA) == LM_CLIP.identity(DATA) != other.identity(DATA)


def test_gradient_norms_by_the_temperature_alone(store, tmp_path):
    """Only the factor of the cosines is trained: the slope of a class's part is SUM slope(x) x, x the logits."""
    from tests.losses.plain import PLAIN

    settings = LmClip.model_validate(SETTINGS | {"trains": ["temperature"], "epochs": 0})
    ((_, result),) = settings.worker(("gradients",)).run([trial("asl", focusing="full")], store, tmp_path)
    model, rows = store.model(0), store.splits.rows(0)["train"]
    module, prompts = model.module.double().eval(), model.text.tokens([f"a photo of a {c}" for c in range(10)])
    pulls = {(sign, c): [] for sign in (0, 1) for c in range(10)}
    generator = torch.Generator().manual_seed(stream_seed(0, "gradients"))
    for batch in torch.randperm(len(rows), generator=generator).split(32):
        at = rows[batch.numpy()]
        with torch.no_grad():
            x, _ = module.get_logits(model.pixels(torch.tensor(store.images.images[at])), prompts)
        x, y = x.detach().requires_grad_(), torch.tensor(store.images.targets[at]).double()
        (slopes,) = torch.autograd.grad(PLAIN["asl"](x, y, focusing="full").sum(), x)
        for (sign, c), found in pulls.items():
            side = y[:, c] == sign
            if side.any() and len(found) < 8:
                found.append(abs(float((slopes * x.detach())[side, c].sum())))
    for sign, name in enumerate(("negative", "positive")):
        expected = [np.mean(pulls[sign, c]) for c in range(10)]
        np.testing.assert_allclose(result.per_class[f"train_gradient_{name}"], expected, rtol=1e-3)


class TestPretraining:
    """A model that is pre-trained here sees train rows of the seed alone, is made once and is the same everywhere."""

    def test_made_once_with_the_same_bytes_on_every_node(self, tmp_path):
        pretraining = {"pairs": "balanced-digits", "num_pairs": 200, "epochs": 1, "batch": 50}
        settings = LmClip.model_validate(SETTINGS | {"model": SETTINGS["model"] | {"pretraining": pretraining}})
        assert not settings.prepared(DATA, tmp_path / "one")
        one, other = (settings.worker().prepare(DATA, tmp_path / node) for node in ("one", "other"))
        assert settings.prepared(DATA, tmp_path / "one")
        start = LM_CLIP.worker().prepare(DATA, tmp_path / "one").model(0).module.state_dict()
        here, there = (store.model(0).module.state_dict() for store in (one, other))
        assert all(torch.equal(here[name], there[name]) for name in here)
        assert not torch.equal(here["logit_scale"], start["logit_scale"])

    def test_a_model_a_seed_where_each_seed_carves_its_own_validation(self, tmp_path):
        from evenkeel.trainables.data.settings import Validation
        from evenkeel.trainables.models.clip_files import ClipFiles

        class Carved(FewDigits):
            validation: Validation = Validation()

        clip = LmClip.model_validate(
            SETTINGS | {"model": SETTINGS["model"] | {"pretraining": {"pairs": "train"}}}
        ).model
        own, same = Carved(), Carved(validation=Validation(per_seed=False))
        of = lambda data, seed: ClipFiles(clip, 32, "model", data, tmp_path).model(seed)  # noqa: E731
        assert of(own, 0) != of(own, 1) and of(same, 0) == of(same, 1) and of(DATA, 0) == of(DATA, 1)


def test_balanced_scenes_show_no_digit_of_validation_or_test():
    """Each digit's originals are divided; the scenes are drawn from the part of train."""
    from evenkeel.trainables.data import digits

    pools = digits._pools(np.random.default_rng(digits.SCENE_SEED))
    as_bytes = {split: {image.tobytes() for digit in pool for image in digit} for split, pool in pools.items()}
    assert not as_bytes["train"] & (as_bytes["val"] | as_bytes["test"])
    images, targets = digits.balanced_scenes(300)
    assert images.shape == (300, 32, 32, 1) and targets.sum(0).min() > 0.5 * targets.sum(0).max()
    again, _ = digits.balanced_scenes(300)
    assert np.array_equal(images, again)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 1}, "image_size 32 does not fit vit_tiny_patch16_224, which takes 224"),
        ({"depth": 1, "img_size": 32}, "measures: resolution shows the model images of 48 pixels"),
    ],
)
def test_a_size_that_does_not_fit_is_said_before_any_trial(arguments, message, tmp_path):
    image = {"name": "vit_tiny_patch16_224", "model_args": arguments}
    settings = LmClip.model_validate(SETTINGS | {"model": SETTINGS["model"] | {"image": image}})
    with pytest.raises(TrainableError, match=message):
        settings.worker(("headline", "resolution")).prepare(DATA, tmp_path)
