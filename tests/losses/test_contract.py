"""Every loss keeps the same contract."""

from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from search_spaces import SPACES, Choice, Float
from tests.losses.plain import PLAIN
from trainables.losses import LOSSES

COUNTS = (500, 60, 7, 3)
NAMES = list(LOSSES)


def examples(rng, rows=5, reach=4.0, dtype=torch.float64):
    """Logits away from the corner p = m of every clip in use, with both labels in every class."""
    x = torch.tensor(rng.uniform(-reach, reach, (rows, len(COUNTS))), dtype=dtype)
    y = torch.tensor(rng.random((rows, len(COUNTS))) < 0.4, dtype=dtype)
    x[0, 0] = reach  # the batch maximum of `bal`, alone and positive
    return x, y


def settings(name, rng, num):
    """Random settings inside the space, with counts where the loss takes them."""
    has_counts = any(field.name == "counts" for field in fields(LOSSES[name]))
    for _ in range(num):
        drawn = {key: parameter.at(rng.random()) for key, parameter in SPACES[name].parameters.items()}
        yield drawn | ({"counts": COUNTS} if has_counts else {})


def slope(loss, x, y):
    x = x.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(x, y).sum(), x)
    return gradient


def test_every_loss_has_a_space_and_a_plain_form():
    assert set(LOSSES) == set(SPACES) == set(PLAIN)


@pytest.mark.parametrize("name", NAMES)
def test_space_names_the_fields_and_their_published_defaults(name):
    known = {field.name: field.default for field in fields(LOSSES[name]) if field.name not in ("counts", "weights")}
    assert SPACES[name].defaults() == known
    assert all(p.symbol and p.source for p in SPACES[name].parameters.values())


@pytest.mark.parametrize("name", NAMES)
def test_is_frozen_and_keyword_only(name):
    with pytest.raises(TypeError):
        LOSSES[name](1.0)
    with pytest.raises(FrozenInstanceError):
        LOSSES[name]().anything = 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
def test_shape(name, lead, rng):
    x, y = examples(rng)
    assert LOSSES[name]()(x.expand(*lead, *x.shape), y).shape == (*lead, *x.shape)


@pytest.mark.parametrize("name", NAMES)
def test_equals_the_plain_formula(name, rng):
    x, y = examples(rng, rows=40, reach=8.0)
    for setting in settings(name, rng, 12):
        ours, plain = LOSSES[name](**setting), lambda a, b, s=setting: PLAIN[name](a, b, **s)
        torch.testing.assert_close(ours(x, y), plain(x, y), rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(slope(ours, x, y), slope(plain, x, y), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_match_finite_differences(name, rng):
    x, y = examples(rng, rows=3, reach=2.0)
    for setting in settings(name, rng, 4):
        if setting.get("focusing") == "held":
            continue  # the held weight is no part of the gradient: compared with its detached form above
        setting |= {"clip": 0.01} if "clip" in setting else {}
        assert gradcheck(lambda a, s=setting: LOSSES[name](**s)(a, y), x.requires_grad_(), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("reach", [100.0, 1e4])
def test_finite_at_extreme_logits(name, dtype, reach, rng):
    x = torch.tensor([[-reach, reach, -20.0, 20.0], [0.0, -1e-4, 1e-4, 5.0]], dtype=dtype)
    for targets in (torch.zeros(2, 4), torch.ones(2, 4), torch.tensor([[1.0, 0, 1, 0]] * 2)):
        for setting in settings(name, rng, 6):
            loss = LOSSES[name](**setting)
            assert loss(x, targets).isfinite().all()
            assert slope(loss, x, targets).isfinite().all()


@pytest.mark.parametrize("gamma", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", ["asl", "apl", "ral", "ral-eq6", "bal-eq4"])
def test_broken_gamma_has_no_nan_on_clipped_entries(name, gamma):
    x = torch.tensor([[-5.0, -3.0, -2.9444, 1.0]])
    assert slope(LOSSES[name](gamma_neg=gamma, focusing="full"), x, torch.zeros(1, 4)).isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_a_pack_gives_what_numbers_give(name, rng):
    x, y = examples(rng, rows=6)
    parameters = SPACES[name].parameters
    drawn = list(settings(name, rng, 5))
    drawn[0] |= {key: 0.0 for key in ("clip", "gamma_neg", "gamma_pos", "gamma", "smoothing", "s") if key in parameters}
    common = {key: drawn[1][key] for key, p in parameters.items() if isinstance(p, Choice)}
    common |= {"counts": COUNTS} if "counts" in drawn[0] else {}
    packed = {
        key: torch.tensor([setting[key] for setting in drawn], dtype=torch.float64).view(-1, 1, 1)
        for key, p in parameters.items()
        if isinstance(p, Float)
    }
    stacked = x.expand(len(drawn), *x.shape)
    together = LOSSES[name](**packed, **common)
    for k, setting in enumerate(drawn):
        alone = LOSSES[name](**(setting | common))
        torch.testing.assert_close(together(stacked, y)[k], alone(x, y), rtol=1e-11, atol=1e-13)
        torch.testing.assert_close(slope(together, stacked, y)[k], slope(alone, x, y), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_dense_targets_give_what_one_target_matrix_gives(name, rng):
    x, y = examples(rng)
    loss = LOSSES[name]()
    torch.testing.assert_close(loss(x, y)[None], loss(x[None], y[None]), rtol=1e-12, atol=0)
    torch.testing.assert_close(slope(loss, x, y)[None], slope(loss, x[None], y[None]), rtol=1e-12, atol=0)


def test_a_hyperparameter_per_class_broadcasts(rng):
    x, y = examples(rng)
    gammas = torch.tensor([0.0, 1.0, 2.0, 3.0], dtype=torch.float64)
    together = LOSSES["focal"](gamma=gammas)(x, y)
    for c, gamma in enumerate(gammas.tolist()):
        torch.testing.assert_close(together[:, c], LOSSES["focal"](gamma=gamma)(x, y)[:, c])


@pytest.mark.parametrize("name", [n for n in NAMES if n != "bal"])
def test_order_of_rows_does_not_matter(name, rng):
    x, y = examples(rng)
    order = torch.tensor(rng.permutation(len(x)))
    torch.testing.assert_close(LOSSES[name]()(x, y)[order], LOSSES[name]()(x[order], y[order]))


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("asl", {"gamma_neg": -1.0}),
        ("asl", {"clip": 1.0}),
        ("apl", {"focusing": "both"}),
        ("bal-eq4", {"temperature": 0.0}),
        ("bal", {"s": -0.1}),
        ("focal", {"gamma": -2.0}),
    ],
)
def test_refuses_settings_outside_the_domain(name, setting):
    (key,) = setting
    with pytest.raises(ValueError, match=f"{key} must"):
        LOSSES[name](**setting)


def test_seeded_settings_are_inside_their_spaces():
    rng = np.random.default_rng(1)
    for name in NAMES:
        for setting in settings(name, rng, 20):
            for key, value in setting.items():
                if key != "counts":
                    assert SPACES[name].parameters[key].problem(value) is None
