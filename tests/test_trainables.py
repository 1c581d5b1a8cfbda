"""The contract of every trainable, on tiny data: packs, order, resuming, divergence, losses, identities."""

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evenkeel.search_spaces import SPACES
from evenkeel.trainables import TRAINABLES, Trial
from evenkeel.trainables.data.image_set import ImageSet
from evenkeel.trainables.data.jpeg_store import JpegImages
from evenkeel.trainables.data.pixel_stores import JpegStore
from evenkeel.trainables.data.settings import DataSettings
from evenkeel.trainables.losses import LOSSES
from evenkeel.trainables.measures import MEASURES, Measured, columns

TINY_CLIP = {"image": {"name": "test_resnet"}, "text": {"width": 8, "heads": 1, "layers": 1}, "embedding": 8}
SETTINGS = {
    "finetune": {
        "backbone": {"name": "test_resnet"},
        "image_size": 16,
        "epochs": 2,
        "batch": 16,
        "deterministic": True,
    },
    "lm-clip": {"model": TINY_CLIP, "image_size": 16, "epochs": 2, "batch": 12, "lr": 1e-4},
    "probe": {"backbone": {"name": "test_resnet"}, "image_size": 16, "epochs": 2, "batch": 16},
    "prompt": {"model": TINY_CLIP, "image_size": 16, "context": 2, "epochs": 2, "batch": 12, "lr": 0.05},
}
FLOAT_NOISE = 1e-6
DIVERGING = {"hill_lambda": 1e25}


class Squares(DataSettings):
    """One bright square an image, whose place is its class; some images have a second one."""

    name: str = "squares"
    validation: None = None

    def fingerprint(self):
        return "squares"

    def load(self, image_size, cache):
        rng = np.random.default_rng(0)
        labels = np.eye(4, dtype=np.uint8)[rng.integers(4, size=72)]
        images = rng.integers(0, 60, size=(72, 16, 16, 1), dtype=np.uint8)
        for image, row in zip(images, labels, strict=True):
            place = int(row.argmax())
            image[8 * (place // 2) :, 8 * (place % 2) :][:8, :8] += 150
        return ImageSet(images, labels, np.repeat(np.arange(3, dtype=np.uint8), 24), None, list("abcd"))


def trial(loss="ral", seed=0, **moved):
    space = SPACES[loss].defaults() if loss in SPACES else {}
    return Trial(loss=loss, hyperparameters=space | moved, seed=seed, data={}, trainable={}, design="sweep", label=loss)


@pytest.fixture(scope="module", params=SETTINGS)
def made(request, tmp_path_factory):
    """(worker, what its trials share)"""
    worker = TRAINABLES[request.param].model_validate({"name": request.param, **SETTINGS[request.param]}).worker()
    return worker, worker.prepare(Squares(), tmp_path_factory.mktemp(request.param), "cpu")


def run(made, *trials):
    """Results in the order of the trials."""
    worker, prepared = made
    with tempfile.TemporaryDirectory() as place:
        found = {id(t): result for t, result in worker.run(list(trials), prepared, Path(place))}
    return [found[id(t)] for t in trials]


def assert_same(one, other, tolerance=FLOAT_NOISE):
    assert one.state == other.state and one.metrics.keys() == other.metrics.keys()
    for name, value in one.metrics.items():
        assert value == pytest.approx(other.metrics[name], abs=tolerance), name
    assert one.curves["train_loss"] == pytest.approx(other.curves["train_loss"], rel=1e-4, nan_ok=True)


def test_numbers_depend_neither_on_the_pack_nor_on_what_ran_before(made):
    pack = [trial(), trial("bce"), trial(gamma_neg=2.0)]
    together = run(made, *pack)
    backwards = run(made, *pack[::-1])[::-1]
    for member, one, other in zip(pack, together, backwards, strict=True):
        assert_same(one, other)
        assert_same(one, run(made, member)[0])


class StoredSquares(Squares):
    """Squares as JPEGs of the cache, or the pixels that these give."""

    as_pixels: bool

    def load(self, image_size, cache):
        found = super().load(image_size, cache)
        folder = cache / f"stored-{self.as_pixels}"
        folder.mkdir()
        store = JpegStore.empty(folder, found.images.shape, 0)
        for row, image in enumerate(found.images):
            store.put(row, image)
        store.settle(range(len(found.images)))
        images = JpegImages(folder)
        return replace(found, images=images[:] if self.as_pixels else images)


@pytest.mark.parametrize("name", SETTINGS)
def test_images_stored_as_jpegs_give_the_numbers_of_their_pixels(name, tmp_path):
    worker = TRAINABLES[name].model_validate({"name": name, **SETTINGS[name]}).worker()
    results = []
    for as_pixels in (True, False):
        cache = tmp_path / str(as_pixels)
        cache.mkdir()
        results += run((worker, worker.prepare(StoredSquares(as_pixels=as_pixels), cache, "cpu")), trial())
    assert results[0].metrics == results[1].metrics and results[0].curves == results[1].curves


def test_divergence_is_a_state_at_the_floor_and_spares_the_others(made):
    fine, broken = run(made, trial(), trial(**DIVERGING))
    assert (fine.state, broken.state) == ("done", "diverged") and "not finite" in broken.note
    assert broken.metrics["test_mauc"] == pytest.approx(0.5) and broken.epochs_done < 2
    assert_same(fine, run(made, trial())[0], 1e-4)


def test_seeds_repeat_and_differ(made):
    one, again, other = (run(made, trial(seed=seed))[0] for seed in (1, 1, 2))
    assert one.metrics == again.metrics and one.curves == again.curves
    assert one.curves != other.curves


def test_every_measure_that_a_trainable_gives_for_is_taken(made, tmp_path):
    """Of one trial: files lie in the place that the worker was given, model and logits are of one mind."""
    worker, prepared = made
    wanted = tuple(name for name, measure in MEASURES.items() if measure.needs in worker.settings.gives)
    ((_, result),) = replace(worker, measures=wanted).run([trial()], prepared, tmp_path)
    # Two epochs are too few for a rise.
    assert columns(wanted).keys() - {"rise"} <= {name.split("_", 1)[1] for name in result.metrics}
    files = ("embedding.npz", "examples.npz", "gradcam.jpg", "gradients.npz", "predictions.npz")
    assert sorted(Path(path).name for path in result.files.values()) == list(files * ("model" in worker.settings.gives))
    assert all(tmp_path in Path(path).parents and Path(path).is_file() for path in result.files.values())


def test_the_model_that_measures_see_gives_the_logits_that_are_scored(made, tmp_path, monkeypatch):
    import torch

    from evenkeel.trainables.measures import predictions

    worker, prepared = made
    if "model" not in worker.settings.gives:
        pytest.skip("gives no model")
    seen = []
    monkeypatch.setattr(predictions.Predictions, "compute", lambda _, evidence: seen.append(evidence) or Measured())
    list(replace(worker, measures=("predictions",)).run([trial()], prepared, tmp_path))
    for split in ("val", "test"):
        trained, every = seen[0].trained, torch.arange(24)
        with torch.no_grad():
            logits = trained.module(trained.normalised(trained.images(split, every)))
        torch.testing.assert_close(logits, seen[0].logits[split][0])
        torch.testing.assert_close(trained.scores(logits), seen[0].scores[split][0], atol=1e-5, rtol=0)
        assert torch.equal(trained.labels(split, every), seen[0].targets[split])


OWN = "tests.own_loss:Halved"


@pytest.mark.parametrize("made", ["finetune"], indirect=True)
def test_every_loss_and_a_users_own_train(made):
    results = run(made, *(trial(loss) for loss in LOSSES), trial(OWN))
    for loss, result in zip([*LOSSES, OWN], results, strict=True):
        assert result.state == "done", (loss, result.note)
        assert all(np.isfinite(result.curves["train_loss"])), loss


@pytest.mark.parametrize("name", TRAINABLES)
def test_settings_import_no_torch(name):
    module = TRAINABLES[name].__module__
    code = f"import sys, {module}; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def with_weights(settings, path):
    if "backbone" in settings:
        return settings | {"backbone": settings["backbone"] | {"weights": path}}
    return settings | {"model": settings["model"] | {"image": settings["model"]["image"] | {"weights": path}}}


@pytest.mark.parametrize("name", SETTINGS)
def test_an_identity_has_contents_and_no_path(name, tmp_path):
    import torch

    texts = []
    for folder in ("here", "there"):
        path = tmp_path / folder / "weights.pt"
        path.parent.mkdir()
        torch.save({}, path)
        settings = TRAINABLES[name].model_validate({"name": name, **with_weights(SETTINGS[name], str(path))})
        texts.append(str(settings.identity(Squares())))
    assert texts[0] == texts[1] and str(tmp_path) not in texts[0]
