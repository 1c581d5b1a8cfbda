"""Every loss keeps the same contract."""

from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from evenkeel.search_spaces import SPACES, Choice, Float
from evenkeel.trainables.losses import LOSSES, Loss, entrywise
from evenkeel.trainables.packing import adopted
from tests.losses.plain import PLAIN

COUNTS = (500, 60, 7, 3)
FACTS = {"counts": COUNTS, "total": 540}
NAMES = list(LOSSES)
SOFTMAX = [name for name in NAMES if SPACES[name].one_label]
ENTRYWISE = [name for name in NAMES if name not in ("bal", *SOFTMAX)]

PLAIN_REACH = {"db": 1.2, "ldam": 0.4} | {name: 6.0 for name in SOFTMAX if name != "ldam"}
"""How far the plain formulas keep their digits: `db` and `ldam` multiply logits by up to 10 and 30."""


def facts_of(name):
    """What of the training split the loss is constructed with."""
    return {key: fact for key, fact in FACTS.items() if key in {field.name for field in fields(LOSSES[name])}}


def make(name, **setting):
    return LOSSES[name](**facts_of(name), **setting)


def examples(rng, rows=5, reach=4.0, dtype=torch.float64, one_label=False):
    """Logits away from the corner p = m of every clip in use, with both labels in every class."""
    x = torch.tensor(rng.uniform(-reach, reach, (rows, len(COUNTS))), dtype=dtype)
    y = torch.tensor(rng.random((rows, len(COUNTS))) < 0.4, dtype=dtype)
    if one_label:
        y = torch.nn.functional.one_hot(torch.tensor(rng.integers(0, len(COUNTS), rows)), len(COUNTS)).to(dtype)
    x[0, 0] = reach  # the batch maximum of `bal`, alone and positive
    return x, y


def settings(name, rng, num):
    """Random settings inside the space."""
    for _ in range(num):
        yield {key: parameter.at(rng.random()) for key, parameter in SPACES[name].parameters.items()}


def slope(loss, x, y):
    x = x.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(x, y).sum(), x)
    return gradient


def test_every_loss_has_a_space_and_a_plain_form():
    assert set(LOSSES) == set(SPACES) == set(PLAIN)


@pytest.mark.parametrize("name", NAMES)
def test_space_names_the_fields_and_their_published_defaults(name):
    known = {
        field.name: field.default for field in fields(LOSSES[name]) if field.name not in ("counts", "total", "weights")
    }
    assert SPACES[name].defaults() == known
    assert all(p.symbol and p.source for p in SPACES[name].parameters.values())


@pytest.mark.parametrize("name", NAMES)
def test_has_every_part_that_a_trainable_calls(name, rng):
    loss, x = make(name), examples(rng)[0]
    assert isinstance(loss, Loss) and adopted(loss) is loss and loss.at(0.5) == loss
    p = torch.softmax(x, -1) if name in SOFTMAX and name != "ldam" else torch.sigmoid(x)
    if name != "ldam":  # its probabilities are those of scaled logits
        torch.testing.assert_close(torch.sigmoid(loss.log_odds(x)), p)


class Bare:
    """A user's own loss without our base class and without optional parts."""

    def __call__(self, logits, targets):
        return (logits - targets) ** 2


class Equipped(Bare):
    def at(self, progress):
        return Bare() if progress > 0.5 else self

    def log_odds(self, logits):
        return 2 * logits


def test_a_users_loss_gets_the_parts_it_lacks(rng):
    x, y = examples(rng)
    bare, equipped = adopted(Bare()), adopted(Equipped())
    assert torch.equal(bare(x, y), (x - y) ** 2) and torch.equal(equipped(x, y), bare(x, y))
    assert bare.at(0.9) is bare and torch.equal(bare.log_odds(x), x)
    assert torch.equal(equipped.log_odds(x), 2 * x) and torch.equal(equipped.at(0.4).log_odds(x), 2 * x)
    assert torch.equal(equipped.at(0.6).log_odds(x), x)


@pytest.mark.parametrize("name", NAMES)
def test_is_frozen_and_keyword_only(name):
    with pytest.raises(TypeError):
        LOSSES[name](1.0, **facts_of(name))
    with pytest.raises(FrozenInstanceError):
        make(name).anything = 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
def test_shape(name, lead, rng):
    x, y = examples(rng)
    assert make(name)(x.expand(*lead, *x.shape), y).shape == (*lead, *x.shape)


@pytest.mark.parametrize("name", NAMES)
def test_equals_the_plain_formula(name, rng):
    x, y = examples(rng, rows=40, reach=PLAIN_REACH.get(name, 12.0), one_label=name in SOFTMAX)
    y[:, 0] = torch.where(y.sum(-1) == 0, 1.0, y[:, 0])  # the plain forms divide by the labels of a row
    num_compared = 0
    for setting in settings(name, rng, 12):
        ours = make(name, **setting)
        plain = lambda a, b, s=setting: PLAIN[name](a, b, **facts_of(name), **s)  # noqa: E731
        usable = plain(x, y).isfinite().all(-1)  # a negative base under a broken power is NaN in the published code
        if not usable.any():
            continue
        num_compared += int(usable.sum())
        a, b = x[usable], y[usable]
        torch.testing.assert_close(ours(a, b), plain(a, b), rtol=1e-9, atol=1e-13)
        torch.testing.assert_close(slope(ours, a, b), slope(plain, a, b), rtol=1e-9, atol=1e-12)
    assert num_compared >= 200


@pytest.mark.parametrize("name", NAMES)
def test_gradients_match_finite_differences(name, rng):
    x, y = examples(rng, rows=3, reach=2.0)
    for setting in settings(name, rng, 4):
        if setting.get("focusing") == "held":
            continue  # the held weight is no part of the gradient: compared with its detached form above
        setting |= {"clip": 0.01} if "clip" in setting else {}
        assert gradcheck(lambda a, s=setting: make(name, **s)(a, y), x.requires_grad_(), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("reach", [100.0, 1e4])
def test_finite_at_extreme_logits(name, dtype, reach, rng):
    x = torch.tensor([[-reach, reach, -20.0, 20.0], [0.0, -1e-4, 1e-4, 5.0]], dtype=dtype)
    for targets in (torch.zeros(2, 4), torch.ones(2, 4), torch.tensor([[1.0, 0, 1, 0]] * 2)):
        for setting in settings(name, rng, 6):
            loss = make(name, **setting)
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
    packed = {
        key: torch.tensor([setting[key] for setting in drawn], dtype=torch.float64).view(-1, 1, 1)
        for key, p in parameters.items()
        if isinstance(p, Float)
    }
    stacked = x.expand(len(drawn), *x.shape)
    together = make(name, **packed, **common)
    for k, setting in enumerate(drawn):
        alone = make(name, **(setting | common))
        torch.testing.assert_close(together(stacked, y)[k], alone(x, y), rtol=1e-11, atol=1e-13)
        torch.testing.assert_close(slope(together, stacked, y)[k], slope(alone, x, y), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_dense_targets_give_what_one_target_matrix_gives(name, rng):
    x, y = examples(rng)
    loss = make(name)
    torch.testing.assert_close(loss(x, y)[None], loss(x[None], y[None]), rtol=1e-12, atol=0)
    torch.testing.assert_close(slope(loss, x, y)[None], slope(loss, x[None], y[None]), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SOFTMAX])
@pytest.mark.parametrize("packed", [False, True], ids=["numbers", "pack"])
def test_blocks_of_rows_give_what_the_whole_gives(name, packed, rng, monkeypatch):
    """Also where the rows do not divide evenly, and where the pack comes from the hyperparameters alone."""
    x, y = examples(rng, rows=11)
    pack = next(iter(settings(name, rng, 1))) if packed else {}
    pack = {
        key: torch.tensor([value, 0.5 * value]).view(2, 1, 1) for key, value in pack.items() if type(value) is float
    }
    loss = make(name, **pack)
    whole = loss(x, y), slope(loss, x, y)
    monkeypatch.setattr(entrywise, "ENTRIES_AT_ONCE", 9)
    torch.testing.assert_close((loss(x, y), slope(loss, x, y)), whole)


def test_a_hyperparameter_per_class_broadcasts(rng):
    x, y = examples(rng)
    gammas = torch.tensor([0.0, 1.0, 2.0, 3.0], dtype=torch.float64)
    together = LOSSES["focal"](gamma=gammas)(x, y)
    for c, gamma in enumerate(gammas.tolist()):
        torch.testing.assert_close(together[:, c], LOSSES["focal"](gamma=gamma)(x, y)[:, c])


@pytest.mark.parametrize("name", ENTRYWISE)
def test_order_of_rows_does_not_matter(name, rng):
    x, y = examples(rng)
    order = torch.tensor(rng.permutation(len(x)))
    torch.testing.assert_close(make(name)(x, y)[order], make(name)(x[order], y[order]))


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
                assert SPACES[name].parameters[key].problem(value) is None
