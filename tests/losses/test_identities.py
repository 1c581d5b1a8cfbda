"""Where losses meet: settings at which one equals another, and the facts the papers' figures rest on.

Numbers in brackets are those of "Identities by number" in docs/losses.md.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evenkeel.trainables.fused import means
from evenkeel.trainables.losses import LOSSES, Apl, AplEq5, Asl, Bal, BalEq4, Bce, Focal, Hill, Ral, RalEq6, RalHill
from evenkeel.trainables.losses._class_weights import class_weights
from tests.losses.test_contract import COUNTS, ENTRYWISE, examples, facts_of, make, slope

X = torch.linspace(-12, 12, 97, dtype=torch.float64).view(-1, 1)
POSITIVE, NEGATIVE = torch.ones_like(X), torch.zeros_like(X)
gammas = st.floats(0, 8)
clips = st.floats(0, 0.25)
unit = st.floats(0, 1)


def same(a, b, targets, rtol=1e-10):
    torch.testing.assert_close(a(X, targets), b(X, targets), rtol=rtol, atol=1e-14)
    torch.testing.assert_close(slope(a, X, targets), slope(b, X, targets), rtol=rtol, atol=1e-14)


@pytest.mark.parametrize("targets", [POSITIVE, NEGATIVE])
class TestNeutralSettings:
    def test_asl_without_focus_and_shift_is_bce(self, targets):
        same(Asl(gamma_neg=0.0, gamma_pos=0.0, clip=0.0), Bce(), targets)

    @given(gamma=gammas)
    def test_asl_with_equal_gammas_is_focal(self, targets, gamma):
        same(Asl(gamma_neg=gamma, gamma_pos=gamma, clip=0.0, focusing="full"), Focal(gamma=gamma), targets)

    def test_focal_zero_is_bce(self, targets):
        same(Focal(gamma=0.0), Bce(), targets)

    @given(gamma_neg=gammas, gamma_pos=gammas, clip=clips, focusing=st.sampled_from(["full", "held"]))
    def test_apl_with_taylor_coefficients_is_asl(self, targets, gamma_neg, gamma_pos, clip, focusing):
        common = {"gamma_neg": gamma_neg, "gamma_pos": gamma_pos, "clip": clip, "focusing": focusing}
        same(Apl(alpha1=1.0, alpha2=0.5, beta0=0.0, beta1=1.0, **common), Asl(**common), targets, rtol=1e-8)

    @given(gamma_neg=gammas, clip=clips)
    def test_printed_bal_without_weights_and_smoothing_is_asl(self, targets, gamma_neg, clip):
        common = {"gamma_neg": gamma_neg, "clip": clip, "focusing": "full"}
        same(BalEq4(s=0.0, smoothing=0.0, counts=(9,), **common), Asl(**common), targets)

    def test_full_series_of_the_printed_form_is_the_published_form(self, targets):
        same(AplEq5(), Apl(), targets)


@given(gamma=gammas, clip=clips)
def test_clipped_negatives_have_no_loss_and_no_gradient(gamma, clip):
    clipped = torch.sigmoid(X) <= clip
    loss = Asl(gamma_neg=gamma, clip=clip, focusing="full")
    assert (loss(X, NEGATIVE)[clipped] == 0).all()
    assert (slope(loss, X, NEGATIVE)[clipped] == 0).all()


@given(clip=st.floats(0.01, 0.25), gamma=gammas)
def test_shifted_negatives_are_bounded(clip, gamma):
    assert (Asl(gamma_neg=gamma, clip=clip)(X, NEGATIVE) < -np.log(clip)).all()


def test_held_and_full_agree_in_value_only():
    held, full = Asl(focusing="held"), Asl(focusing="full")
    assert torch.equal(held(X, NEGATIVE), full(X, NEGATIVE))
    assert not torch.allclose(slope(held, X, NEGATIVE), slope(full, X, NEGATIVE))


def test_gradients_of_the_two_modes_at_one_half():
    at_half, zero = torch.zeros(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    assert slope(Asl(focusing="held"), at_half, zero).item() == pytest.approx(0.0186, abs=5e-5)
    assert slope(Asl(focusing="full"), at_half, zero).item() == pytest.approx(0.0731, abs=5e-5)


def test_hill_gradient_peaks_at_zero():
    gradient = slope(Hill(), X, NEGATIVE)
    assert X[gradient.argmax()].item() == 0
    assert gradient.max().item() == pytest.approx(3 / 16)


@given(hill_lambda=st.floats(0.5, 5))
def test_ral_positives_are_apl_positives(hill_lambda):
    same(Ral(hill_lambda=hill_lambda, focusing="full"), Apl(focusing="full"), POSITIVE)


@pytest.mark.parametrize(
    ("hill_lambda", "largest", "at_99"),
    [(0.5, 0.000, -0.076), (1.0, 0.048, -0.017), (1.5, 0.558, 0.170), (3.0, 4.53, 1.51), (4.5, 11.95, 4.02)],
)
def test_ral_gradients_by_lambda(hill_lambda, largest, at_99):
    """The table of the mathematics page, section 6."""
    dense = torch.linspace(-12, 12, 20001, dtype=torch.float64).view(-1, 1)
    loss = Ral(hill_lambda=hill_lambda)
    assert slope(loss, dense, torch.zeros_like(dense)).max().item() == pytest.approx(largest, abs=0.006)
    x = torch.tensor([[np.log(99)]])
    assert slope(loss, x, torch.zeros_like(x)).item() == pytest.approx(at_99, abs=0.015)


def test_ral_negatives_are_quadratic_in_lambda_and_the_printed_form_affine():
    values = [Ral(hill_lambda=v)(X, NEGATIVE) for v in (1.0, 2.0, 3.0, 4.0)]
    third = values[3] - 3 * values[2] + 3 * values[1] - values[0]
    assert third.abs().max() < 1e-12
    printed = [RalEq6(hill_lambda=v)(X, NEGATIVE) for v in (1.0, 2.0, 3.0)]
    assert (printed[2] - 2 * printed[1] + printed[0]).abs().max() < 1e-12


def test_printed_ral_times_the_missing_factor_is_the_published_one():
    p = torch.sigmoid(X)
    factor = p**2 * (1.5 - 1 + torch.relu(p - 0.05))
    torch.testing.assert_close(RalEq6()(X, NEGATIVE) * factor, Ral()(X, NEGATIVE), rtol=1e-10, atol=1e-15)


def test_printed_sums_grow_towards_the_series():
    values = [AplEq5(alpha1=1.0, alpha2=0.5, terms=n)(X, POSITIVE) for n in (1, 2, 4, 8)]
    values.append(AplEq5(alpha1=1.0, alpha2=0.5)(X, POSITIVE))
    assert all((b >= a - 1e-14).all() for a, b in zip(values, values[1:], strict=False))


@given(s1=unit, s2=unit)
def test_class_weights(s1, s2):
    like = torch.zeros(1, dtype=torch.float64)
    w = class_weights(COUNTS, s1, like)
    assert w.max() == 1 and (w.squeeze().diff() >= 0).all()
    torch.testing.assert_close(class_weights(COUNTS, s1 + s2, like), w * class_weights(COUNTS, s2, like))
    torch.testing.assert_close(class_weights(tuple(10 * n for n in COUNTS), s1, like), w)


def test_class_weights_refuse_an_empty_class():
    with pytest.raises(ValueError, match="counts must be >= 1"):
        class_weights((3, 0), 1.0, torch.zeros(1))


class TestPublishedBal:
    def test_is_invariant_to_scale(self, rng):
        x, y = examples(rng)
        loss = Bal(counts=COUNTS)
        torch.testing.assert_close(loss(3.7 * x, y), loss(x, y))
        assert (x * slope(loss, x, y)).sum().abs() < 1e-12

    def test_couples_the_rows_of_a_batch(self, rng):
        x, y = examples(rng)
        other = x.clone()
        other[0, 0] *= 2
        assert not torch.allclose(Bal()(x, y)[1:], Bal()(other, y)[1:])

    def test_without_weights_and_smoothing_is_asl_of_the_scaled_logits(self, rng):
        x, y = examples(rng)
        scaled = Asl(gamma_neg=9.8, focusing="full")(x / x.max(), y)
        torch.testing.assert_close(Bal(smoothing=0.0)(x, y), scaled)
        torch.testing.assert_close(Bal(smoothing=0.0, weights=(1.0,) * 4)(x, y), (1 + y) * scaled)

    def test_is_finite_where_the_maximum_is_not_positive(self):
        x = torch.tensor([[-3.0, -1.0]])
        assert Bal()(x, torch.tensor([[1.0, 0.0]])).isfinite().all()


@given(gamma=gammas, alpha=unit)
def test_focal_alpha_weighs_the_sides(gamma, alpha):
    """[3]"""
    for targets, weight in ((POSITIVE, alpha), (NEGATIVE, 1 - alpha)):
        torch.testing.assert_close(Focal(gamma=gamma, alpha=alpha)(X, targets), weight * Focal(gamma=gamma)(X, targets))


def test_mean_bce_is_torchs_multi_label_soft_margin_loss(rng):
    """[4]"""
    x, y = examples(rng)
    torch.testing.assert_close(Bce()(x, y).mean(), torch.nn.MultiLabelSoftMarginLoss()(x, y))


def test_sum_is_the_mean_times_the_number_of_entries(rng):
    """[5]"""
    x, y = examples(rng)
    entries = Ral()(x, y)
    torch.testing.assert_close(entries.sum(), entries.numel() * means(Ral(), x, y))


def test_without_focus_both_modes_have_one_gradient():
    """[6]"""
    for targets in (POSITIVE, NEGATIVE):
        modes = [Asl(gamma_neg=0.0, gamma_pos=0.0, focusing=focusing) for focusing in ("held", "full")]
        assert torch.equal(slope(modes[0], X, targets), slope(modes[1], X, targets))


@given(low=gammas, more=st.floats(0.01, 4))
def test_more_focus_means_less_loss(low, more):
    """[8]"""
    for targets in (POSITIVE, NEGATIVE):
        assert (Focal(gamma=low + more)(X, targets) <= Focal(gamma=low)(X, targets)).all()


@given(hill_lambda=st.floats(1, 3))
def test_hill_without_margin_and_focus(hill_lambda):
    """[10]"""
    loss, p = Hill(hill_lambda=hill_lambda, margin=0.0, gamma=0.0), torch.sigmoid(X)
    torch.testing.assert_close(loss(X, POSITIVE), Bce()(X, POSITIVE))
    torch.testing.assert_close(loss(X, NEGATIVE), (hill_lambda - p) * p**2)


@pytest.mark.parametrize("name", [name for name in ENTRYWISE if name != "bal-eq4"])
def test_rows_are_separate(name, rng):
    """[12]"""
    x, y = examples(rng)
    loss = make(name)
    torch.testing.assert_close(torch.cat([loss(x[:2], y[:2]), loss(x[2:], y[2:])]), loss(x, y))


@pytest.mark.parametrize("name", ["cb", "db", "r-bce-focal", "bal-eq4"])
def test_classes_move_with_their_counts(name, rng):
    """[12]"""
    x, y = examples(rng)
    order = [2, 0, 3, 1]
    moved = LOSSES[name](**facts_of(name) | {"counts": tuple(COUNTS[c] for c in order)})
    torch.testing.assert_close(moved(x[:, order], y[:, order]), make(name)(x, y)[:, order])


@given(gamma_neg=gammas, gamma_pos=gammas, clip=clips)
def test_gradients_push_the_right_way(gamma_neg, gamma_pos, clip):
    """[13]"""
    for loss in (
        Bce(),
        Focal(gamma=gamma_pos),
        Asl(gamma_neg=gamma_neg, gamma_pos=gamma_pos, clip=clip, focusing="full"),
    ):
        assert (slope(loss, X, POSITIVE) <= 0).all() and (slope(loss, X, NEGATIVE) >= 0).all()


@given(terms=st.integers(1, 8), gamma_pos=st.floats(0, 2))
def test_the_rest_of_a_printed_sum_is_bounded(terms, gamma_pos):
    """[15]"""
    series = AplEq5(alpha1=1.0, alpha2=0.5, gamma_pos=gamma_pos)
    cut = AplEq5(alpha1=1.0, alpha2=0.5, gamma_pos=gamma_pos, terms=terms)
    q = torch.sigmoid(-X)
    bound = q ** (terms + 1) / ((terms + 1) * torch.sigmoid(X)) * q**gamma_pos
    missing = series(X, POSITIVE) - cut(X, POSITIVE)
    assert (missing >= -1e-13).all() and (missing <= bound * (1 + 1e-9) + 1e-13).all()


@given(a=st.floats(0, 2), b=st.floats(0, 2), terms=st.sampled_from([2, 4, 8]))
def test_printed_sums_are_linear_in_their_coefficients(a, b, terms):
    """[16] Linear in the leading coefficients; the later ones are fixed, so zero is taken off once."""
    for targets, key in ((POSITIVE, "alpha1"), (POSITIVE, "alpha2"), (NEGATIVE, "beta1")):
        at = lambda value, key=key, targets=targets: AplEq5(terms=terms, **{key: value})(X, targets)  # noqa: E731
        torch.testing.assert_close(at(a + b) + at(0.0), at(a) + at(b), rtol=1e-9, atol=1e-13)


@given(alpha1=st.floats(0, 2), alpha2=st.floats(0, 3), gamma_pos=st.floats(0, 2))
def test_moved_coefficients_add_their_terms_exactly(alpha1, alpha2, gamma_pos):
    """[17]"""
    q = torch.sigmoid(-X)
    moved = Apl(alpha1=alpha1, alpha2=alpha2, gamma_pos=gamma_pos)(X, POSITIVE)
    taylor = Apl(alpha1=1.0, alpha2=0.5, gamma_pos=gamma_pos)(X, POSITIVE)
    terms = q**gamma_pos * ((alpha1 - 1) * q + (alpha2 - 0.5) * q**2)
    torch.testing.assert_close(moved - taylor, terms, rtol=1e-9, atol=1e-13)


@given(hill_lambda=st.floats(1.1, 5), clip=clips)
def test_without_psi_ral_is_apl(hill_lambda, clip):
    """[19]"""
    p = torch.sigmoid(X)
    for ral, apl, psi in (
        (Ral, Apl, (hill_lambda - p) * p**2 * (hill_lambda - 1 + torch.relu(p - clip))),
        (RalHill, Apl, (hill_lambda - p) * p**2),
        (RalEq6, AplEq5, hill_lambda - p),
    ):
        ours = ral(hill_lambda=hill_lambda, clip=clip)(X, NEGATIVE)
        torch.testing.assert_close(ours, apl(clip=clip)(X, NEGATIVE) * psi, rtol=1e-9, atol=1e-300)


def test_large_lambda_only_weighs_the_negatives():
    """[20] The error falls as 1 / lambda."""
    limit = torch.sigmoid(X) ** 2 * Apl()(X, NEGATIVE)
    errors = [(Ral(hill_lambda=v)(X, NEGATIVE) / v**2 - limit).abs().max() for v in (100.0, 1000.0)]
    assert 5 < errors[0] / errors[1] < 20


@given(hill_lambda=st.floats(1, 5), beta1=st.floats(0.0, 1.0))
def test_ral_negatives_cost_something(hill_lambda, beta1):
    """[22] With lambda >= 1 and eps_neg = beta1 - 1 <= 0; with lambda = 1/2 they do not always."""
    assert (Ral(hill_lambda=hill_lambda, beta1=beta1, beta0=1 - beta1)(X, NEGATIVE) >= 0).all()
    assert (Ral(hill_lambda=0.5)(X, NEGATIVE) < 0).any()


@given(a=st.floats(0, 0.9), b=st.floats(0, 0.9))
def test_printed_bal_is_affine_in_its_smoothing(a, b):
    """[31]"""
    at = lambda e: BalEq4(smoothing=e, weights=(0.7,))(X, POSITIVE) + BalEq4(smoothing=e)(X, NEGATIVE)  # noqa: E731
    torch.testing.assert_close(at(a) + at(b), 2 * at((a + b) / 2), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize(
    "loss", [Asl(), Apl(gamma_pos=1.5), Ral(focusing="held", gamma_pos=1.0), RalEq6(focusing="held")]
)
def test_held_gradients_are_those_of_the_detached_weight(loss):
    """[40] held: the bracket alone is differentiated."""
    if loss.focusing != "held":
        loss = replace(loss, focusing="held")
    bare = replace(loss, gamma_neg=0.0, gamma_pos=0.0)
    for targets, base in (
        (POSITIVE, torch.sigmoid(-X) ** loss.gamma_pos),
        (NEGATIVE, torch.relu(torch.sigmoid(X) - loss.clip) ** loss.gamma_neg),
    ):
        torch.testing.assert_close(slope(loss, X, targets), base * slope(bare, X, targets), rtol=1e-9, atol=1e-13)
