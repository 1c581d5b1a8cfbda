"""Every measure against an independent computation: scikit-learn, a formula written plainly, a model of known slope."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn import metrics as reference
from torch import nn

from evenkeel.trainables.measures import ALWAYS, MEASURES, Evidence
from evenkeel.trainables.measures.evaluate import evaluate
from evenkeel.trainables.measures.noise import PARTS, disturbed
from evenkeel.trainables.random_streams import stream_seed

N, C, K, S = 50, 5, 2, 8


class Outcome:
    """A model whose logits are a linear layer on pixels; its gradients are known in closed form."""

    def __init__(self, folder):
        torch.manual_seed(0)
        self.module = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, bias=False), nn.AdaptiveAvgPool2d(4), nn.Flatten())
        self.module.append(nn.Linear(32, C, bias=False)).double()
        self.folder, self.pixels = folder, torch.rand(N, 1, S, S, dtype=torch.float64)
        self.targets = torch.zeros(N, C, dtype=torch.float64)
        self.targets[torch.arange(N), torch.randint(C, (N,))] = 1
        self.mask = torch.ones(N, C, dtype=torch.bool)

    def num_rows(self, split):
        return N

    def images(self, split, rows):
        return self.pixels[rows]

    def labels(self, split, rows):
        return self.targets[rows]

    def label_mask(self, split, rows):
        return self.mask[rows]

    def normalised(self, images):
        return 2 * images - 1

    def scores(self, logits):
        return torch.sigmoid(logits.double())

    def losses(self, logits, targets):
        return nn.functional.binary_cross_entropy_with_logits(logits, targets.to(logits), reduction="none")


@pytest.fixture
def evidence(rng, tmp_path):
    """K trials; class 4 has no positive among images with one label. Row 0 has no label."""
    targets = {}
    for split in ("val", "test"):
        y = (rng.random((N, C)) < 0.35).astype(float)
        y[0] = 0
        y[:2, 4], y[y.sum(1) == 1, 4] = 0, 0
        targets[split] = torch.tensor(y)
    logits = {split: torch.tensor(rng.normal(size=(K, N, C)).round(1)) for split in targets}
    embeddings = {split: torch.tensor(rng.normal(size=(K, N, 7))) for split in targets}
    scores = {split: values.sigmoid() for split, values in logits.items()}
    groups = {"head": [0, 1], "medium": [2], "tail": [3, 4]}
    curves = {"train_loss": torch.tensor(rng.random((K, 20))), "val_f1": torch.tensor(rng.random((K, 20)))}
    return Evidence(scores, targets, groups, logits=logits, embeddings=embeddings, curves=curves)


@pytest.fixture
def of_model(tmp_path):
    """One trial with a model."""
    trained = Outcome(tmp_path)
    with torch.no_grad():
        logits = {split: trained.module(trained.normalised(trained.pixels))[None] for split in ("val", "test")}
    scores = {split: values.sigmoid() for split, values in logits.items()}
    targets = dict.fromkeys(("val", "test"), trained.targets)
    embeddings = {split: torch.randn(1, N, 7) for split in targets}
    return Evidence(scores, targets, {}, logits=logits, embeddings=embeddings, trained=trained)


@pytest.mark.parametrize("name", MEASURES)
def test_what_is_measured_is_declared(name, evidence, of_model):
    given = of_model if MEASURES[name].needs == "model" else evidence
    found = evaluate(given, (name,))
    declared = MEASURES[name].columns
    expected = {
        "_".join(filter(None, (split, column, part)))
        for column, of in declared.items()
        for split in of.splits
        for part in ("", *of.parts)
    }
    assert set(found.totals) - expected == set() or name == "headline"
    assert expected - {c for c in expected if c.endswith(("head", "medium", "tail"))} <= set(found.totals)
    assert all(len(values) == len(given.scores["val"]) for values in found.totals.values())
    assert all(Path(path).is_file() and Path(path).parent == given.trained.folder for path in found.files.values())


@pytest.mark.parametrize(("num_epochs", "last"), [(8, 4), (19, 4), (20, 5), (50, 12)])
def test_the_rise_at_the_end_is_that_of_scipys_line(evidence, rng, num_epochs, last):
    from scipy.stats import linregress

    values = rng.random((K, num_epochs))
    found = evaluate(replace(evidence, curves={"val_map": torch.tensor(values)}), ("rise",)).totals
    lines = [linregress(np.arange(last), row[-last:]) for row in values]
    assert found["val_rise"].tolist() == pytest.approx([line.slope * (last - 1) for line in lines])
    assert found["val_rise_error"].tolist() == pytest.approx([line.stderr * (last - 1) for line in lines])
    assert not evaluate(replace(evidence, curves={"val_map": torch.tensor(values[:, :7])}), ("rise",)).totals


def mean_ap(y, s, *, absent=None):
    aps = [reference.average_precision_score(y[:, c], s[:, c]) if y[:, c].any() else absent for c in range(y.shape[1])]
    return np.mean([ap for ap in aps if ap is not None])


@pytest.mark.parametrize("split", ["val", "test"])
def test_map_by_the_number_of_labels(evidence, split):
    found = evaluate(evidence, ("by-labels",)).totals
    y = evidence.targets[split].numpy()
    for name, rows in (("single", y.sum(1) == 1), ("multi", y.sum(1) > 1)):
        for k in range(K):
            s = evidence.scores[split][k].numpy()
            assert found[f"{split}_map_{name}"][k] == pytest.approx(mean_ap(y[rows], s[rows]))
            assert found[f"{split}_map_{name}_all"][k] == pytest.approx(mean_ap(y[rows], s[rows], absent=0.0))
            for group, classes in evidence.groups.items():
                mean = mean_ap(y[rows][:, classes], s[rows][:, classes], absent=0.0) if classes else np.nan
                assert found[f"{split}_map_{name}_all_{group}"][k] == pytest.approx(mean, nan_ok=True)
    assert not torch.equal(found[f"{split}_map_single"], found[f"{split}_map_single_all"])


def test_precision_and_recall(evidence):
    found = evaluate(evidence, ("precision-recall",))
    y, s = evidence.targets["test"].numpy(), evidence.scores["test"][1].numpy()
    expected = reference.precision_recall_fscore_support(y, s >= 0.5, zero_division=0)
    np.testing.assert_allclose(found.per_class["test_precision"][1], expected[0])
    np.testing.assert_allclose(found.per_class["test_recall"][1], expected[1])
    for group, classes in evidence.groups.items():
        assert found.totals[f"test_recall_{group}"][1] == pytest.approx(np.nanmean(expected[1][classes]))


def test_one_label(of_model, evidence):
    found = evaluate(of_model, ("one-label",)).totals
    truth, chosen = of_model.targets["test"].argmax(1), of_model.scores["test"][0].argmax(1)
    assert found["test_accuracy"][0] == pytest.approx(reference.accuracy_score(truth, chosen))
    expected = reference.f1_score(truth, chosen, average="macro", labels=truth.unique(), zero_division=0)
    assert found["test_f1_argmax"][0] == pytest.approx(expected)
    assert evaluate(evidence, ("one-label",)).totals["test_accuracy"].isnan().all()


def test_softmax_scores_rank_otherwise(evidence):
    found = evaluate(evidence, ("softmax", "headline")).totals
    y, x = evidence.targets["test"].numpy(), evidence.logits["test"][0].numpy()
    soft = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    assert found["test_map_softmax"][0] == pytest.approx(mean_ap(y, soft))
    assert found["test_mauc_softmax"][0] == pytest.approx(reference.roc_auc_score(y, soft))
    torch.testing.assert_close(found["test_map_sigmoid"], found["test_map"])


def test_calibration_error(evidence):
    found = evaluate(evidence, ("calibration",)).totals["test_ece"]
    y, p = evidence.targets["test"].numpy().ravel(), evidence.scores["test"][0].numpy().ravel()
    edges = np.linspace(0, 1, 16)
    expected = 0.0
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = (p >= low) & (p < high)
        if inside.any():
            expected += inside.mean() * abs(p[inside].mean() - y[inside].mean())
    assert found[0] == pytest.approx(expected)


def test_calibration_leaves_unknown_labels_out(evidence):
    known = torch.ones(N, C, dtype=torch.bool)
    known[10:] = False
    few = Evidence(
        {s: v[:, :10] for s, v in evidence.scores.items()}, {s: v[:10] for s, v in evidence.targets.items()}, {}
    )
    masked = Evidence(evidence.scores, evidence.targets, {}, label_mask=dict.fromkeys(("val", "test"), known))
    one, other = (evaluate(e, ("calibration",)).totals["test_ece"] for e in (few, masked))
    torch.testing.assert_close(one, other)


def test_centroid_distances_in_both_forms(evidence):
    found = evaluate(evidence, ("centroids",))
    e, y = evidence.embeddings["test"][1].numpy(), evidence.targets["test"].numpy() > 0
    e = e / np.linalg.norm(e, axis=1, keepdims=True)
    near, far, ratios = [], [], []
    for c in range(C):
        d = np.linalg.norm(e - e[y[:, c]].mean(0) + 1e-6, axis=1)
        near.append(d[y[:, c]])
        far.append(d[~y[:, c]])
        ratios.append(near[-1].mean() / far[-1].mean())
    assert found.totals["test_centroid"][1] == pytest.approx(np.mean(ratios))
    assert found.totals["test_centroid_tail"][1] == pytest.approx(np.mean(ratios[3:]))
    np.testing.assert_allclose(found.per_class["test_centroid"][1], ratios)
    assert found.totals["test_centroid_pairs"][1] == pytest.approx(np.mean(np.hstack(near)) / np.mean(np.hstack(far)))
    assert found.totals["test_centroid_pairs_head"][1] == pytest.approx(
        np.mean(np.hstack(near[:2])) / np.mean(np.hstack(far[:2]))
    )


def test_gradient_norms_of_a_batch(of_model):
    """Against a backward pass through each class's part of the loss alone."""
    from evenkeel.trainables.measures.gradients import of_batch

    trained, rows = of_model.trained, torch.arange(20)
    wanted = torch.ones(2, C, dtype=torch.bool)
    wanted[1, 2] = False
    trained.mask[3:9, 0] = False  # an unknown label, whose target is 0, is no negative
    norms = of_batch(trained, rows, wanted)
    y = trained.targets[rows]
    known = trained.mask[rows]
    for at, side in enumerate(((y > 0.5) & known, (y < 0.5) & known)):
        for c in range(C):
            trained.module.zero_grad()
            x = trained.module(trained.normalised(trained.pixels[rows]))[:, c]
            part = nn.functional.softplus(-x if at == 0 else x)[side[:, c]].sum()
            part.backward()
            squares = sum(float((p.grad**2).sum()) for p in trained.module.parameters())
            assert norms[at, c] == pytest.approx(squares**0.5 if wanted[at, c] else 0.0)


def test_gradient_norms_are_means_over_the_first_batches_that_hold_the_class(of_model, monkeypatch):
    """A class whose images all lie in late batches is measured there; one without images is undefined."""
    from evenkeel.trainables.measures import gradients

    monkeypatch.setattr(gradients, "BATCH", 5)
    generator = torch.Generator().manual_seed(stream_seed(0, "gradients"))
    trained, order = of_model.trained, torch.randperm(N, generator=generator)
    trained.targets[:] = 0
    trained.targets[:, 0] = 1
    trained.targets[order[-1], 1] = 1
    found = evaluate(of_model, ("gradients",))
    own = torch.ones(2, C, dtype=torch.bool)
    norms = [gradients.of_batch(trained, rows, own)[0] for rows in order.split(5)]
    positive, an_entry = (found.per_class[f"train_gradient_positive{per}"][0] for per in ("", "_entry"))
    assert positive[0] == pytest.approx(float(torch.stack(norms)[:8, 0].mean()))
    assert an_entry[0] == pytest.approx(float(positive[0]) / 5)
    assert positive[1] == an_entry[1] == norms[-1][1] and positive[2:].isnan().all()
    assert found.totals["train_gradient_positive"][0] == pytest.approx(float(positive[:2].mean()))
    kept = np.load(found.files["gradients"])
    np.testing.assert_array_equal(kept["positive_entry"], an_entry)


class TestNoise:
    def test_each_image_has_its_own_noise_whatever_the_batch(self):
        images = torch.full((6, 1, 16, 16), 0.5)
        for part in PARTS:
            whole = disturbed(images, torch.arange(6), part)
            assert torch.equal(whole[3:], disturbed(images[3:], torch.arange(3, 6), part))
            assert whole.min() >= 0 and whole.max() <= 1
            if not part.startswith("blur"):
                assert not torch.equal(whole[0], whole[1])

    @pytest.mark.parametrize(("part", "variance"), [("speckle_001", 0.01), ("speckle_01", 0.1)])
    def test_speckle_multiplies(self, part, variance):
        """x (1 + n): the variance of what was 0.3 is 0.09 times that of n, black stays black."""
        noisy = disturbed(torch.full((1, 1, 300, 300), 0.3), torch.tensor([0]), part)
        assert noisy.var().item() == pytest.approx(0.09 * variance, rel=0.05)
        assert not disturbed(torch.zeros(1, 1, 9, 9), torch.tensor([0]), part).any()

    def test_salt_and_pepper_are_as_many(self):
        noisy = disturbed(torch.full((1, 3, 300, 300), 0.4), torch.tensor([5]), "salt_02")
        assert (noisy == 1).float().mean().item() == pytest.approx(0.1, rel=0.05)
        assert (noisy == 0).float().mean().item() == pytest.approx(0.1, rel=0.05)
        assert torch.equal(noisy[:, 0], noisy[:, 1])

    def test_blur_is_scipys(self):
        from scipy.ndimage import gaussian_filter

        image = torch.rand(224, 224, dtype=torch.float64)
        blurred = disturbed(image[None, None], torch.tensor([0]), "blur_2")[0, 0]
        expected = gaussian_filter(image.numpy(), 2.0, mode="mirror", truncate=3.0)
        np.testing.assert_allclose(blurred, expected, atol=1e-3)

    def test_scores_on_noisy_images_are_the_models(self, of_model):
        found = evaluate(of_model, ("noise",)).totals
        trained = of_model.trained
        with torch.no_grad():
            images = disturbed(trained.pixels, torch.arange(N), "salt_02")
            scores = trained.module(trained.normalised(images)).sigmoid().numpy()
        expected = reference.roc_auc_score(trained.targets.numpy(), scores)
        assert found["test_noise_mauc_salt_02"][0] == pytest.approx(expected)


def test_kept_predictions_give_the_metrics_again(of_model):
    path = evaluate(of_model, ("predictions",)).files["predictions"]
    kept = np.load(path)
    assert kept["test_scores"].dtype == np.float16
    expected = evaluate(of_model, ALWAYS).totals["test_map"][0]
    again = mean_ap(kept["test_targets"], kept["test_scores"].astype(float))
    assert again == pytest.approx(float(expected), abs=1e-2)


def test_coordinates_of_embeddings(of_model):
    kept = np.load(evaluate(of_model, ("embedding",)).files["embedding"])
    values = of_model.embeddings["test"][0].double().numpy()
    assert kept["tsne"].shape == kept["pca"].shape == (N, 2)
    singular = np.linalg.svd(values - values.mean(0))[1][:2]
    np.testing.assert_allclose(np.linalg.norm(kept["pca"], axis=0), singular, rtol=1e-4)


def test_pictures_show_frequent_to_rare_classes_each_by_an_image_of_its_own(of_model):
    from evenkeel.trainables.measures.thumbnails import pick_images

    targets = torch.zeros(N, C)
    targets[:, 3], targets[10:30, 0], targets[40:, 1], targets[7, 4] = 1, 1, 1, 1
    of_model.trained.targets[:] = targets
    rows, classes = pick_images(of_model)
    assert classes == [3, 0, 1, 4] and rows.tolist() == [0, 10, 40, 7]


@pytest.mark.parametrize("values", [np.ones((40, 6)), np.full((40, 6), 1e30)])
def test_a_model_that_gives_every_image_one_embedding_has_one_point(values):
    """scikit-learn's t-SNE ends the process on such rows."""
    from evenkeel.trainables.measures.embedding import coordinates

    for found in coordinates(values):
        np.testing.assert_array_equal(found, np.zeros((40, 2)))


@pytest.mark.parametrize("scale", [1e-20, 1, 1e20])
def test_coordinates_do_not_depend_on_the_scale_of_embeddings(scale):
    from evenkeel.trainables.measures.embedding import coordinates

    apart = np.repeat([[0.0] * 6, [50.0] * 6], 20, axis=0) + np.random.default_rng(0).random((40, 6))
    tsne, pca = coordinates(apart * scale)
    assert np.ptp(pca[:, 0]) == pytest.approx(np.sqrt(6) * 50 * scale, rel=0.1)
    left, right = tsne[:20], tsne[20:]
    assert np.linalg.norm(left.mean(0) - right.mean(0)) > 2 * max(left.std(0).max(), right.std(0).max())


def test_gradcam_shows_each_image_beside_its_map(of_model):
    from PIL import Image

    with Image.open(evaluate(of_model, ("gradcam",)).files["gradcam"]) as picture:
        assert picture.size == (2 * 128, C * (128 + 16)) and picture.format == "JPEG"


def test_examples_are_images_with_their_scores(of_model):
    """The sheet is the images below each other, as far as JPEG keeps them."""
    from io import BytesIO

    from PIL import Image

    kept = np.load(evaluate(of_model, ("examples",)).files["examples"])
    rows = [int(of_model.trained.targets[:, c].argmax()) for c in kept["targets"].argmax(1)]
    np.testing.assert_allclose(kept["scores"], of_model.scores["test"][0, rows], atol=1e-3)
    sheet = np.asarray(Image.open(BytesIO(kept["sheet"].tobytes())))
    assert sheet.shape == (128 * C, 128, 3)
    blocks = sheet[..., 0].reshape(C * S, 16, S, 16).mean((1, 3))
    assert np.corrcoef(blocks.ravel(), of_model.trained.pixels[rows, 0].numpy().ravel())[0, 1] > 0.95


def test_gradcam_of_a_known_model(of_model):
    """One convolution before a mean: the map is relu(SUM_k mean-gradient_k activation_k), scaled to [0, 1]."""
    from evenkeel.trainables.measures.gradcam import cams

    module, x = of_model.trained.module, of_model.trained.normalised(of_model.trained.pixels[:1])
    activation = module[0](x).detach().requires_grad_()
    logit = module[3](module[2](module[1](activation)))[0, 2]
    (slope,) = torch.autograd.grad(logit, activation)
    expected = torch.relu((slope.mean((2, 3), keepdim=True) * activation).sum(1))[0].detach().numpy()
    expected = (expected - expected.min()) / (1e-7 + (expected - expected.min()).max())
    np.testing.assert_allclose(cams(module, module[0], x, [2])[0], expected, atol=1e-4)


class Tokens(nn.Module):
    """Patches of 4 x 4 pixels as tokens after one that is none; logits are linear in the mean of the patches."""

    def __init__(self, dimension=6):
        super().__init__()
        self.patches = nn.Conv2d(1, dimension, 4, 4)
        self.norm1 = nn.LayerNorm(dimension)
        self.head = nn.Linear(dimension, C)

    def forward(self, images):
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        tokens = self.norm1(torch.cat([tokens.mean(1, keepdim=True), tokens], 1))
        return self.head(tokens[:, 1:].mean(1))


def test_gradcam_of_a_known_transformer():
    """The slope of a logit at every patch is its row of the head by the number of patches."""
    from evenkeel.trainables.measures.gradcam import cams, mapped_layer

    torch.manual_seed(0)
    module, images = Tokens().eval(), torch.rand(2, 1, 16, 16)
    assert mapped_layer(module) is module.norm1
    with torch.no_grad():
        tokens = module.norm1(module.patches(images).flatten(2).transpose(1, 2))
        expected = torch.relu(tokens @ module.head.weight[2]).reshape(2, 4, 4).numpy()
    found = cams(module, module.norm1, images, [2, 2])
    for map_, wanted in zip(found, expected, strict=True):
        # Centres of patches, off the corners, are not touched by enlarging.
        coarse = map_.reshape(4, 4, 4, 4).mean((1, 3))
        assert np.corrcoef(coarse.ravel(), wanted.ravel())[0, 1] > 0.95


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("test_resnet", nn.Conv2d),
        ("test_convnext", nn.Conv2d),
        ("mobilenetv2_035", nn.Conv2d),
        ("test_vit", nn.LayerNorm),
        ("swin_tiny_patch4_window7_224", nn.LayerNorm),
    ],
)
def test_maps_are_taken_where_places_are_still_told_apart(name, last):
    from evenkeel.trainables.measures.gradcam import cams, mapped_layer
    from evenkeel.trainables.models.torchvision_pair import import_torchvision

    import_torchvision()
    import timm

    size = 224 if "swin" in name else 160
    arguments = {"depths": (1, 1, 1, 1)} if "swin" in name else {}
    module = timm.create_model(name, num_classes=C, **arguments).eval()
    layer = mapped_layer(module)
    assert isinstance(layer, last) and getattr(layer, "in_channels", 0) != 3
    (found,) = cams(module, layer, torch.rand(1, 3, size, size), [1])
    assert found.shape == (size, size) and found.min() >= 0 and found.max() <= 1
