"""Identities of weights, sampling, baselines, softmax losses and the LM-CLIP total (numbers as in docs/losses.md)."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from evenkeel.trainables.data.sampling import draw_rows, row_weights
from evenkeel.trainables.lm_clip.contrastive import LmClipLoss, contrastive
from evenkeel.trainables.losses import Asl, AslSoftmax, Bal, Bce, Cb, Ce, Db, FocalSoftmax, Ldam, RalSoftmax, RBceFocal
from evenkeel.trainables.losses._class_weights import effective_weights
from tests.losses.test_contract import COUNTS, SOFTMAX, examples, make, slope

unit = st.floats(0, 1)
seeds = st.integers(0, 10**6)


def embeddings(seed, rows=6, dimension=5):
    return torch.randn(rows, dimension, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def labels(seed, rows=30):
    generator = torch.Generator().manual_seed(seed)
    y = (torch.rand(rows, 4, generator=generator) < torch.tensor([0.8, 0.4, 0.2, 0.1])).double()
    y[:4] = torch.eye(4, dtype=torch.float64)
    return y


class TestSampling:
    """[25]"""

    @given(seed=seeds)
    def test_the_forms_agree_at_one(self, seed):
        y = labels(seed)
        torch.testing.assert_close(row_weights(y, s=1.0, form="printed"), row_weights(y, s=1.0, form="published"))

    @given(seed=seeds, s=st.floats(0, 2))
    def test_the_forms_agree_on_rows_with_one_label(self, seed, s):
        y = functional.one_hot(labels(seed).argmax(1), 4).double()
        y[:4] = torch.eye(4, dtype=torch.float64)
        torch.testing.assert_close(row_weights(y, s=s, form="printed"), row_weights(y, s=s, form="published"))

    @given(seed=seeds)
    def test_at_zero(self, seed):
        y = labels(seed)
        y[:, 0] = torch.where(y.sum(1) == 0, 1.0, y[:, 0])
        assert (row_weights(y, s=0.0, form="published") == 1).all()
        torch.testing.assert_close(row_weights(y, s=0.0, form="printed"), y.sum(1) / y.sum(1).max())

    def test_they_differ_elsewhere(self):
        y = labels(0)
        assert not torch.allclose(row_weights(y, s=2.0, form="printed"), row_weights(y, s=2.0, form="published"))

    def test_draws_follow_the_weights(self):
        weights = torch.tensor([0.0, 1.0, 3.0]).repeat(4000)
        rows = draw_rows(weights, torch.Generator().manual_seed(1))
        share = torch.bincount(rows % 3, minlength=3) / len(rows)
        assert share[0] == 0 and share[2].item() == pytest.approx(0.75, abs=0.02) and len(rows) == len(weights)

    def test_bad_input(self):
        with pytest.raises(ValueError, match="form must be one of printed, published, got 'paper'"):
            row_weights(labels(0), s=1.0, form="paper")
        with pytest.raises(ValueError, match="class 3 has none"):
            row_weights(labels(0) * torch.tensor([1.0, 1, 1, 0]), s=1.0, form="printed")


class TestContrastive:
    """[32], [33]"""

    @given(seed=seeds, k=st.floats(0, 4))
    def test_is_symmetric_and_blind_to_scale(self, seed, k):
        u, v, scale = embeddings(seed), embeddings(seed + 1), torch.tensor(k)
        torch.testing.assert_close(contrastive(u, v, scale), contrastive(v, u, scale), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(contrastive(3 * u, v / 7, scale), contrastive(u, v, scale), rtol=1e-5, atol=1e-6)

    @given(k=st.floats(0, 4))
    def test_equal_similarities_cost_log_b(self, k):
        ones = torch.ones(6, 5)
        assert contrastive(ones, ones, torch.tensor(k)).item() == pytest.approx(math.log(6), rel=1e-5)

    def test_a_separated_batch_costs_nothing_at_large_k(self):
        assert contrastive(torch.eye(6), torch.eye(6), torch.tensor(4.6)).item() < 1e-6

    @given(seed=seeds, weight=st.floats(0.1, 10))
    def test_the_total_is_affine_in_the_weight(self, seed, weight):
        u, v, prompts, y = embeddings(seed), embeddings(seed + 1), embeddings(seed + 2, 4), labels(seed, 6)
        at = lambda w: LmClipLoss(bal_weight=w)(u, v, prompts, y, torch.tensor(2.0)).item()  # noqa: E731
        assert at(weight) == pytest.approx(at(0.0) + weight * (at(1.0) - at(0.0)), rel=1e-5)
        assert at(0.0) == pytest.approx(contrastive(u, v, torch.tensor(2.0)).item(), rel=1e-6)

    def test_published_bal_gives_the_temperature_no_gradient(self):
        u, v, prompts, y = embeddings(0), embeddings(1), embeddings(2, 4), labels(3, 6)
        gradients = {}
        for loss in (Bal(), Asl()):
            k = torch.tensor(2.0, requires_grad=True)
            total = LmClipLoss(bal_weight=1.0, loss=loss)(u, v, prompts, y, k) - contrastive(u, v, k)
            (gradients[type(loss)],) = torch.autograd.grad(total, k)
        assert abs(gradients[Bal].item()) < 1e-6 < abs(gradients[Asl].item())

    @pytest.mark.parametrize("shapes", [((2, 3), (3, 3)), ((2,), (2,)), ((0, 3), (0, 3))])
    def test_bad_shapes(self, shapes):
        with pytest.raises(ValueError, match=r"must both be \[B, D\]"):
            contrastive(*map(torch.zeros, shapes), torch.tensor(1.0))


class TestLdam:
    """[34]"""

    def test_without_margin_it_is_cross_entropy(self, rng):
        x, y = examples(rng, one_label=True)
        torch.testing.assert_close(Ldam(counts=COUNTS, max_margin=0.0, scale=1.0)(x, y), Ce()(x, y))

    @given(low=unit, more=st.floats(0.01, 1))
    def test_loss_grows_with_the_margin(self, low, more):
        x, y = torch.zeros(4, 4, dtype=torch.float64), torch.eye(4, dtype=torch.float64)
        at = lambda m: Ldam(counts=COUNTS, max_margin=m, scale=2.0)(x, y).sum(-1)  # noqa: E731
        assert (at(low + more) > at(low)).all()

    def test_margins_go_with_the_fourth_root(self):
        """At scale 1, two classes and equal logits the loss of a row is log(1 + exp(margin))."""
        x, y = torch.zeros(2, 2, dtype=torch.float64), torch.eye(2, dtype=torch.float64)
        margins = Ldam(counts=(160, 10), scale=1.0)(x, y).sum(-1).expm1().log()
        torch.testing.assert_close(margins, torch.tensor([0.25, 0.5], dtype=torch.float64))

    def test_deferred_reweighing(self, rng):
        x, y = examples(rng, one_label=True)
        early, late = (Ldam(counts=COUNTS, drw=True).at(progress) for progress in (0.79, 0.8))
        weights = torch.tensor([(1 - 0.9999) / (1 - 0.9999**n) for n in COUNTS], dtype=torch.float64)
        torch.testing.assert_close(early(x, y), make("ldam")(x, y))
        torch.testing.assert_close(late(x, y), make("ldam")(x, y) * weights * 4 / weights.sum())
        assert Ldam(counts=COUNTS).at(0.9) == Ldam(counts=COUNTS)


class TestClassBalanced:
    """[35]"""

    def test_weights_by_beta(self):
        n = torch.tensor(COUNTS, dtype=torch.float64)
        assert (effective_weights(n, 0.0) == 1).all()
        inverse = effective_weights(n, 1 - 1e-9)
        torch.testing.assert_close(inverse * n, torch.ones(4, dtype=torch.float64), rtol=1e-5, atol=0)
        assert (effective_weights(n, 0.9).diff() > 0).all()  # counts fall

    def test_single_precision_keeps_its_digits(self):
        n = torch.tensor([3.0, 1000.0])
        torch.testing.assert_close(
            effective_weights(n, 0.9999), effective_weights(n.double(), 0.9999).float(), rtol=3e-7, atol=0
        )

    @pytest.mark.parametrize("weighing", ["by_class", "average_n", "average_w", "min_n"])
    def test_rows_without_positives_are_finite(self, weighing):
        loss = Cb(counts=COUNTS, weighing=weighing)
        assert loss(torch.ones(2, 4), torch.zeros(2, 4)).isfinite().all()

    def test_unknown_weighing(self):
        with pytest.raises(ValueError, match="weighing must be one of by_class"):
            Cb(counts=COUNTS, weighing="max_n")


class TestDistributionBalanced:
    """[36], [37]"""

    @given(map_alpha=st.floats(0, 1))
    def test_with_a_constant_weight_it_is_bce(self, map_alpha):
        x, y = torch.linspace(-8, 8, 40, dtype=torch.float64).view(-1, 4), labels(0, 10)
        neutral = {"map_alpha": map_alpha, "map_beta": 0.0, "gamma": 0.0, "balance": 1.0}
        expected = (map_alpha + 0.5) * Bce()(x, y)
        torch.testing.assert_close(RBceFocal(counts=COUNTS, **neutral)(x, y), expected)
        torch.testing.assert_close(
            Db(counts=COUNTS, total=540, init_bias=0.0, neg_scale=1.0, **neutral)(x, y), expected
        )

    def test_without_its_moves_it_is_the_rebalanced_focal_loss(self, rng):
        x, y = examples(rng)
        torch.testing.assert_close(make("db", init_bias=0.0, neg_scale=1.0)(x, y), make("r-bce-focal")(x, y))

    def test_a_single_label_has_the_full_share(self):
        y = torch.eye(4, dtype=torch.float64)
        loss = make("r-bce-focal")
        shares = loss.of_classes(y) / loss.of_row(y, loss.of_classes(y))
        torch.testing.assert_close(shares.diagonal(), torch.ones(4, dtype=torch.float64))

    def test_a_row_without_positives_weighs_alpha_plus_one(self):
        x, y = torch.zeros(1, 4), torch.zeros(1, 4)
        plain = RBceFocal(counts=COUNTS, map_alpha=0.0, map_beta=0.0)(x, y)
        torch.testing.assert_close(make("r-bce-focal")(x, y), plain * 2 * 1.1)

    def test_a_class_in_every_image_is_finite(self):
        x, y = torch.zeros(2, 2), torch.ones(2, 2)
        loss = Db(counts=(540, 3), total=540)
        assert loss(x, y).isfinite().all() and slope(loss, x, y).isfinite().all()

    def test_more_positives_than_images(self):
        with pytest.raises(ValueError, match="total must be >= every count, got 100 images and 500 positives"):
            Db(counts=COUNTS, total=100)


class TestSoftmax:
    """[38], [39]"""

    @given(gamma_neg=st.floats(0, 8), hill_lambda=st.floats(1, 4), alpha2=st.floats(0, 3), seed=seeds)
    def test_without_smoothing_they_are_cross_entropy(self, gamma_neg, hill_lambda, alpha2, seed):
        x, y = embeddings(seed, 6, 4), torch.eye(4, dtype=torch.float64)[torch.arange(6) % 4]
        for loss in (
            AslSoftmax(gamma_neg=gamma_neg, smoothing=0.0),
            RalSoftmax(gamma_neg=gamma_neg, smoothing=0.0, hill_lambda=hill_lambda, alpha2=alpha2),
        ):
            torch.testing.assert_close(loss(x, y), Ce()(x, y))
            torch.testing.assert_close(slope(loss, x, y), slope(Ce(), x, y))

    @given(gamma=st.floats(0, 5), seed=seeds)
    def test_asl_without_smoothing_is_focal(self, gamma, seed):
        x, y = embeddings(seed, 6, 4), torch.eye(4, dtype=torch.float64)[torch.arange(6) % 4]
        torch.testing.assert_close(AslSoftmax(gamma_pos=gamma, smoothing=0.0)(x, y), FocalSoftmax(gamma=gamma)(x, y))

    def test_rows_add_up_to_torchs_cross_entropy(self, rng):
        x, y = examples(rng, one_label=True)
        torch.testing.assert_close(Ce()(x, y).sum(-1).mean(), functional.cross_entropy(x, y.argmax(1)))

    @pytest.mark.parametrize("name", SOFTMAX)
    def test_a_constant_does_not_matter(self, name, rng):
        x, y = examples(rng, one_label=True)
        torch.testing.assert_close(make(name)(x + 3.5, y), make(name)(x, y))

    @pytest.mark.parametrize("name", ["bce", "asl", "apl", "ral", "bal-eq4", "db"])
    def test_for_sigmoid_losses_it_does(self, name, rng):
        x, y = examples(rng, one_label=True)
        assert not torch.allclose(make(name)(x + 3.5, y), make(name)(x, y))

    @pytest.mark.parametrize("name", SOFTMAX)
    def test_log_odds_are_those_of_the_softmax(self, name, rng):
        x, _ = examples(rng)
        scale = 30.0 if name == "ldam" else 1.0
        torch.testing.assert_close(torch.sigmoid(make(name).log_odds(x / scale)), torch.softmax(x, -1))
