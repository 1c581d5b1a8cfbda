"""A trial's numbers: independent of its pack, equal to a plain training loop, honest about divergence."""

import json
import math
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from evenkeel.search_spaces import SPACES
from evenkeel.trainables import TrainableError, Trial
from evenkeel.trainables.data.digits import DigitsMlt
from evenkeel.trainables.data.image_set import ImageSet
from evenkeel.trainables.data.settings import DataSettings, Validation
from evenkeel.trainables.probe.features import Features, FeatureStore, standardised
from evenkeel.trainables.probe.heads import make_head
from evenkeel.trainables.probe.settings import Probe
from evenkeel.trainables.probe.train import ProbeWorker
from evenkeel.trainables.random_streams import stream_seed
from tests.losses.plain import PLAIN

SETTINGS = {
    "name": "probe",
    "image_size": 32,
    "backbone": {"library": "timm", "name": "test_resnet"},
    "epochs": 3,
    "batch": 256,
    "lr": 0.005,
    "weight_decay": 1e-4,
    "schedule": "cosine",
    "hidden": 0,
    "bias": "prior",
    "precision": "float64",
    "head_min": 100,
    "tail_below": 50,
}
PROBE = Probe.model_validate(SETTINGS)
DATA = DigitsMlt()


@pytest.fixture(scope="module")
def features(shared_cache):
    return ProbeWorker(PROBE).prepare(DATA, shared_cache)


def run_pack(trials, store):
    """Results in the order of the trials."""
    with tempfile.TemporaryDirectory() as place:
        results = {id(t): result for t, result in ProbeWorker(store.probe).run(trials, store, Path(place))}
    return [results[id(t)] for t in trials]


def changed(trials, **settings):
    return [replace(t, settings=t.settings | settings) for t in trials]


def trial(loss="ral", seed=0, settings=None, **moved):
    return Trial(
        loss=loss,
        hyperparameters=SPACES[loss].defaults() | moved,
        seed=seed,
        data={"name": "digits-mlt"},
        trainable=SETTINGS,
        settings=settings or {},
        design="sweep",
        label=loss,
    )


PACK = [
    trial(gamma_neg=2.0),
    trial("bce"),
    trial(clip=0.0),
    trial("apl", focusing="full"),
    trial("apl"),
    trial("bal-eq4", s=1.0),
    trial("ral-eq6", terms=4),
    trial(hill_lambda=3.0),
]


def assert_same(one, other, tolerance):
    assert one.state == other.state
    for key, value in one.metrics.items():
        assert value == pytest.approx(other.metrics[key], abs=tolerance), key
    assert one.curves["train_loss"] == pytest.approx(other.curves["train_loss"], rel=max(tolerance, 1e-9))


def test_numbers_do_not_depend_on_the_pack(features):
    together = run_pack(PACK, features)
    for member, result in zip(PACK, together, strict=True):
        assert_same(run_pack([member], features)[0], result, 1e-9)
    backwards = run_pack(PACK[::-1], features)[::-1]
    for one, other in zip(together, backwards, strict=True):
        assert_same(one, other, 1e-9)


def test_float32_differs_from_float64_only_by_rounding(features):
    pack = changed(PACK, precision="float32")
    for one, other in zip(run_pack(pack, features), run_pack(PACK, features), strict=True):
        assert_same(one, other, 5e-3)


def seed_values(store, seed):
    """(features, rows by split, standardised features by split)"""
    made = store.of_seed(seed)
    rows = store.splits(made).rows(seed)
    return made, rows, standardised(made.features, rows)


def plain_loop(features, formula, scored=torch.sigmoid, epoch_rows=None):
    """(test targets, test scores) of a head: Adam, batches, prior bias and cosine written out, with a plain loss."""
    made, rows, values = seed_values(features, 0)
    part = {s: torch.tensor(array).double() for s, array in values.items()}
    label = {s: torch.tensor(made.targets[at]).double() for s, at in rows.items()}
    x, y = part["train"], label["train"]
    share = y.mean(0)
    weight = (
        torch.randn(96, 10, generator=torch.Generator().manual_seed(stream_seed(0, "init")), dtype=torch.float64) * 0.01
    )
    weight.requires_grad_()
    bias = torch.log(share / (1 - share)).requires_grad_()
    optimiser = torch.optim.AdamW([weight, bias], lr=0.005, weight_decay=1e-4)
    steps, step = 3 * math.ceil(len(x) / 256), 0
    for epoch in range(3):
        order = torch.Generator().manual_seed(stream_seed(0, "order", epoch))
        drawn = epoch_rows(y, order) if epoch_rows else torch.randperm(len(x), generator=order)
        for batch in drawn.split(256):
            optimiser.param_groups[0]["lr"] = 0.005 * 0.5 * (1 + math.cos(math.pi * step / steps))
            optimiser.zero_grad()
            formula(x[batch] @ weight + bias, y[batch]).mean().backward()
            optimiser.step()
            step += 1
    return label["test"].numpy(), scored(part["test"] @ weight + bias).detach().numpy()


def assert_scored(result, truth, scores):
    """The result's test metrics are scikit-learn's of these scores."""
    from sklearn.metrics import average_precision_score, f1_score

    f1 = f1_score(truth, scores >= 0.5, average="macro", zero_division=0)
    assert result.metrics["test_f1"] == pytest.approx(f1, abs=1e-9)
    expected = average_precision_score(truth, scores, average="macro")
    assert result.metrics["test_map"] == pytest.approx(expected, abs=1e-9)


def test_equals_a_plain_training_loop(features):
    plain = plain_loop(features, lambda x, y: PLAIN["ral"](x, y, gamma_neg=2.0))
    assert_scored(run_pack([PACK[0]], features)[0], *plain)


@pytest.fixture(scope="module")
def one_label(features, tmp_path_factory):
    """The same features, each image with the rarest of its labels alone."""
    folder = tmp_path_factory.mktemp("one_label")
    made = features.of_seed(0)
    rarest = np.where(made.targets > 0, made.targets.sum(0), np.inf).argmin(1)
    for name in ("features", "split"):
        np.save(folder / f"{name}.npy", getattr(made, name))
    np.save(folder / "targets.npy", np.eye(made.targets.shape[1], dtype=made.targets.dtype)[rarest])
    (folder / "classes.json").write_text(json.dumps(made.classes))
    return Given(folder)


class Given(FeatureStore):
    """A store whose features lie in a folder, however they were made."""

    def __init__(self, folder):
        super().__init__(PROBE, DATA, folder)

    def of_seed(self, seed):
        return Features(self.cache)


@pytest.mark.parametrize("loss", ["ce", "focal-softmax", "ral-softmax"])
def test_softmax_losses_are_scored_by_their_softmax(one_label, loss):
    plain = plain_loop(one_label, PLAIN[loss], scored=lambda x: torch.softmax(x, -1))
    mates = [trial(loss), trial("bce"), trial("ldam", scale=2.0)]
    result, other, _ = run_pack(mates, one_label)
    assert_scored(result, *plain)
    assert_same(other, run_pack([trial("bce")], one_label)[0], 1e-9)


def test_deferred_reweighing_starts_late(one_label):
    """Four fifths of five epochs are trained alike, the last one differs."""
    settings = {"epochs": 5, "schedule": "constant"}
    plain, deferred = run_pack(
        [trial("ldam", settings=settings, scale=2.0, drw=drw) for drw in (False, True)], one_label
    )
    assert plain.curves["val_f1"][:4] == pytest.approx(deferred.curves["val_f1"][:4], abs=1e-12)
    assert plain.curves["train_loss"][4] != deferred.curves["train_loss"][4]


def test_each_trial_says_how_it_rose_at_the_end(features):
    """Also beside a trial that diverged, which says nothing of it."""
    pack = changed([trial(), trial(hill_lambda=1e25)], epochs=8, precision="float32")
    fine, diverged = run_pack(pack, features)
    line = np.polyfit(np.arange(4), fine.curves["val_f1"][-4:], 1)
    assert fine.metrics["val_rise"] == pytest.approx(3 * line[0], abs=1e-6)
    assert diverged.state == "diverged" and "val_rise" not in diverged.metrics


@pytest.mark.parametrize("form", ["printed", "published"])
def test_class_weighted_sampling(features, form):
    def drawn(y, order):
        counts = y.sum(0)
        if form == "printed":
            weights = (y * (counts.min() / counts) ** 0.5).sum(1)
        else:
            weights = torch.where(y.sum(1) > 0, (y * len(y) / counts).sum(1) ** 0.5, 0.0)
        return torch.multinomial(weights / weights.max(), len(y), replacement=True, generator=order)

    sampled = trial("bce", settings={"sampling": {"form": form, "s": 0.5}})
    assert_scored(run_pack([sampled], features)[0], *plain_loop(features, PLAIN["bce"], epoch_rows=drawn))


def test_the_path_of_the_loss_is_recorded(features):
    single = {"precision": "float32"}
    fused, eager = (run_pack([trial("ral", settings=s)], features)[0].loss_path for s in (single, {}))
    assert (fused, eager) == ("fused", "eager")


def test_seeds_matter_and_repeat(features):
    one, again, other = (run_pack([trial(seed=s)], features)[0] for s in (1, 1, 2))
    assert one.metrics == again.metrics and one.metrics != other.metrics


def test_a_hidden_layer_trains_in_packs_too(features):
    pack = changed(PACK[:3], hidden=8)
    together = run_pack(pack, features)
    for member, result in zip(pack, together, strict=True):
        assert_same(run_pack([member], features)[0], result, 1e-9)


def test_divergence_ends_at_the_floor_and_spares_the_pack_mates(features):
    """A huge negative weight in float32 overflows; the floor is the score of the constant prior predictor."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    (fine,) = changed(PACK[:1], precision="float32")
    broken = replace(fine, hyperparameters=fine.hyperparameters | {"hill_lambda": 1e25})
    done, diverged = run_pack([fine, broken], features)
    assert_same(done, run_pack([fine], features)[0], 1e-5)  # products of other widths round otherwise
    assert diverged.state == "diverged" and diverged.epochs_done < 3 and "not finite" in diverged.note
    made = features.of_seed(0)
    truth = made.targets[made.split == 2]
    constant = np.full(len(truth), 0.3)
    expected = np.mean([average_precision_score(truth[:, c], constant) for c in range(10)])
    assert diverged.metrics["test_map"] == pytest.approx(expected)
    assert diverged.metrics["test_mauc"] == pytest.approx(roc_auc_score(truth[:, 0], constant))


def test_a_pack_shares_its_seed(features):
    with pytest.raises(ValueError, match="must share"):
        run_pack([trial(seed=0), trial(seed=1)], features)


def test_groups_and_classes_are_reported(features):
    result = run_pack([trial()], features)[0]
    assert {"test_f1", "val_map_tail", "test_mauc_head", "test_f1_tuned_medium"} <= set(result.metrics)
    per_class = [v for v in result.per_class["test_f1"] if v is not None]
    assert result.metrics["test_f1"] == pytest.approx(np.mean(per_class))
    assert ProbeWorker(PROBE).bytes_per_trial(features) > 4 * 96 * 10


class TestFeatures:
    def test_are_standardised_on_train_and_cached(self, features, shared_cache):
        made, rows, values = seed_values(features, 0)
        np.testing.assert_allclose(values["train"].mean(0), 0, atol=1e-4)
        train = made.features[made.split == 0]
        varying = train.std(0) > 1e-6
        expected = (made.features[rows["val"]] - train.mean(0))[:, varying] / train.std(0)[varying]
        np.testing.assert_allclose(values["val"][:, varying], expected, rtol=1e-4, atol=1e-6)

    def test_that_are_there_are_described_without_torch(self, features, shared_cache):
        assert PROBE.prepared(DATA, Path("no")) is None
        code = (
            "import sys; from pathlib import Path\n"
            "from evenkeel.trainables import trainable; from evenkeel.trainables.data import data_set\n"
            f"found = trainable({PROBE.model_dump(mode='json')}).prepared(data_set({DATA.model_dump(mode='json')}), "
            f"Path({str(shared_cache)!r}))\n"
            "print(found.describe([0]).dimension, 'torch' in sys.modules)"
        )
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert said.split() == [str(features.of_seed(0).features.shape[1]), "False"]

    def test_nan_is_refused(self, features, tmp_path):
        import shutil

        shutil.copytree(features.of_seed(0).folder, tmp_path / "copy")
        broken = np.load(tmp_path / "copy" / "features.npy")
        broken[3, 5] = np.nan
        np.save(tmp_path / "copy" / "features.npy", broken)
        with pytest.raises(TrainableError, match=r"1 rows of the features are not finite \(first: row 3\)"):
            Given(tmp_path / "copy").describe([0])

    def test_validation_is_carved_by_seed(self, features):
        made = features.of_seed(0)

        def rows(validation, seed):
            return FeatureStore(PROBE, Noise(validation=validation), Path()).splits(made).rows(seed)

        per_seed, fixed = Validation(), Validation(per_seed=False)
        assert not np.array_equal(rows(per_seed, 0)["val"], rows(per_seed, 1)["val"])
        assert np.array_equal(rows(fixed, 0)["val"], rows(fixed, 1)["val"])
        assert np.array_equal(rows(per_seed, 0)["test"], rows(None, 0)["test"])

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"name": "test_resnt"}, "timm has no model 'test_resnt'; did you mean 'test_resnet"),
            ({"weights": "nowhere.safetensors"}, "nowhere.safetensors does not exist"),
            ({"library": "open_clip", "name": "ViT-B-23"}, "open_clip has no model 'ViT-B-23'; did you mean 'ViT-B-"),
        ],
    )
    def test_bad_backbones_are_named(self, tmp_path, change, message):
        with pytest.raises(TrainableError, match=message):
            made_with(tmp_path, **change)

    def test_local_weights_load_and_misfits_are_named(self, tmp_path):
        import timm
        from safetensors.torch import save_file

        model = timm.create_model("test_resnet", in_chans=1, num_classes=10)
        save_file(model.state_dict(), tmp_path / "fits.safetensors")
        save_file({"other": torch.zeros(1)}, tmp_path / "misfit.safetensors")
        assert made_with(tmp_path / "cache", weights=str(tmp_path / "fits.safetensors")).features.shape == (7000, 96)
        with pytest.raises(TrainableError, match="misfit.safetensors does not fit the model"):
            made_with(tmp_path / "cache", weights=str(tmp_path / "misfit.safetensors"))

    def test_a_real_clip_tower_gives_features(self, tmp_path):
        from evenkeel.trainables.models.frozen import extract
        from evenkeel.trainables.models.settings import Backbone

        pixels, codes = np.zeros((2, 224, 224, 3), dtype=np.uint8), np.zeros(2, dtype=np.uint8)
        images = ImageSet(pixels, np.ones((2, 1), dtype=np.uint8), codes, None, ["a"])
        backbone = Backbone(library="open_clip", name="ViT-S-32-alt")
        extract(images, np.array([0]), backbone, "cpu", tmp_path / "f.npy", tmp_path)
        assert np.load(tmp_path / "f.npy").shape == (2, 256)


def made_with(cache, **backbone):
    probe = Probe.model_validate(SETTINGS | {"backbone": SETTINGS["backbone"] | backbone})
    return FeatureStore(probe, DATA, cache).of_seed(0)


class Noise(DataSettings):
    """Small grey noise with random labels; `bump` is added to the pixels of some rows."""

    name: str = "noise"
    validation: Validation | None = Validation()
    bump: int = 0
    rows: tuple[int, ...] = ()

    def fingerprint(self):
        return f"{self.bump} {self.rows}"

    def load(self, image_size, cache):
        rng = np.random.default_rng(0)
        images = rng.integers(0, 200, size=(90, image_size, image_size, 1), dtype=np.uint8)
        targets = np.eye(3, dtype=np.uint8)[rng.integers(3, size=90)]
        images[list(self.rows)] += self.bump
        return ImageSet(images, targets, np.repeat(np.arange(3, dtype=np.uint8), 30), None, ["a", "b", "c"])


@pytest.mark.parametrize("warm", [None, {"epochs": 1, "batch": 16}])
def test_nothing_is_fitted_on_rows_that_become_validation(tmp_path, warm):
    """Other pixels in a seed's validation rows leave all that its train rows give as it was."""
    probe = Probe.model_validate(SETTINGS | {"backbone": SETTINGS["backbone"] | {"warm_start": warm}})
    whole = FeatureStore(probe, Noise(), tmp_path / "whole")
    _, rows, values = seed_values(whole, 3)
    other = FeatureStore(probe, Noise(bump=40, rows=tuple(rows["val"].tolist())), tmp_path / "other")
    _, _, same_values = seed_values(other, 3)
    np.testing.assert_array_equal(values["train"], same_values["train"])
    assert not np.array_equal(values["val"], same_values["val"])
    assert (whole.of_seed(3).folder == whole.of_seed(4).folder) == (warm is None)


@pytest.mark.parametrize(("rows", "sizes"), [(33, [16, 17]), (32, [16, 16]), (17, [17]), (18, [16, 2]), (1, [1])])
def test_no_warm_start_batch_has_a_single_row(rows, sizes):
    from evenkeel.trainables.data.sampling import batches_of

    batches = batches_of(torch.arange(rows), 16)
    assert [len(batch) for batch in batches] == sizes and torch.equal(torch.cat(batches), torch.arange(rows))


def test_trial_ids_follow_what_decides_the_result():
    base = trial()
    assert base.id == trial().id and len(base.id) == 16
    assert replace(base, label="other", group=3, moved="clip").id == base.id
    for change in (
        {"seed": 1},
        {"design": "search"},
        {"loss": "apl"},
        {"hyperparameters": {}},
        {"trainable": {}},
        {"settings": {"lr": 1}},
    ):
        assert replace(base, **change).id != base.id


def test_a_trial_holds_plain_values_only():
    with pytest.raises(TypeError, match="numbers, strings"):
        _ = replace(trial(), data={"path": Path("x")}).id


@pytest.mark.parametrize("num_classes", [1, 7, 20])
def test_a_head_rounds_alike_in_any_pack(num_classes):
    """Bit for bit, logits and slopes: a tiny difference grows where a loss is steep."""
    x = torch.randn(416, 96, generator=torch.Generator().manual_seed(0))
    bias = torch.linspace(-3, -1, num_classes, dtype=torch.float64)

    def of_the_first(num_trials):
        head = make_head(dimension=96, bias=bias, num_trials=num_trials, hidden=0, seed=0, reference=x)
        logits = head.logits(x)
        (logits.sin() * 1e-4).sum().backward()
        return [logits[0].detach(), *(parameter.grad[..., :num_classes] for parameter in head.parameters())]

    alone = of_the_first(1)
    for num_trials in (2, 5, 16):
        assert all(map(torch.equal, alone, of_the_first(num_trials)))
