"""How exact the losses are in single precision, and that every way torch has of running them works."""

import math
import pickle

import numpy as np
import pytest
import torch
from mpmath import mp

from evenkeel.trainables import losses
from evenkeel.trainables.fused import fuse
from evenkeel.trainables.losses import LOSSES
from tests.losses import exact
from tests.losses.test_contract import COUNTS, ENTRYWISE, NAMES, SOFTMAX, examples, facts_of, make, slope

HARD = [-80, -40, -20, -12, -6, -3, -2.75, -2.6875, -2.5, -1, -0.125, 0, 0.5, 2, 5, 9, 12, 16.5, 20, 40, 80]
"""Logits with q, p or P near 0 or 1; the shift of 1/16 has its corner at -2.708."""
ULP = 2.0**-24


def unit(name, positive, x):
    """What one rounding costs, relative to the result: powers multiply it by gamma, the shift by p over what is left.

    `db` moves logits and multiplies those of negatives by 4, `r-bce-focal` has a sigmoid of 8 r: their roundings count
    in full, since far from 0 a loss falls as fast as its logit grows.
    """
    setting, gamma = exact.SETTINGS.get(name, {}), exact.GAMMA[name]
    if name in ("db", "r-bce-focal"):
        scale = 1 if positive else setting.get("neg_scale", 1)
        return 1 + setting["map_beta"] + (1 + gamma) * (1 + scale * abs(x) * ("neg_scale" in setting))
    if positive:
        return 1 + gamma
    p = 1 / (1 + math.exp(-x))
    left = p - setting.get("clip", 0.0) - (p / 32 if name == "bal" else 0)
    return 1 + (1 + gamma) * (p / left if left > 0 else 1)


@pytest.mark.parametrize("path", ["eager", "fused"])
@pytest.mark.parametrize("positive", [True, False], ids=["positive", "negative"])
@pytest.mark.parametrize("name", list(exact.POSITIVE))
def test_single_precision_against_fifty_digits(name, positive, path):
    """Within 4 units of the exact value and slope; terms of a slope, of the size of dp/dx, may cancel.

    The batch maximum that `bal` divides by is held at 1, in the last column.
    """
    loss = LOSSES[name](**exact.SETTINGS.get(name, {}))
    loss = fuse(loss) if path == "fused" else loss
    hard = [x for x in HARD if x <= 1] if name == "bal" else HARD
    x = torch.tensor(hard, dtype=torch.float32).view(-1, 1).repeat(1, 4)
    x[:, 3] = x[:, 3] if name != "bal" else 1.0
    y = torch.full_like(x, float(positive))
    values, slopes = loss(x, y)[:, 0].double(), slope(loss, x, y)[:, 0].double()
    for at, value, gradient in zip(hard, values.tolist(), slopes.tolist(), strict=True):
        true, true_slope = exact.entry(name, positive, mp.mpf(at)), exact.slope(name, positive, mp.mpf(at))
        allowed, tiny = 4 * ULP * unit(name, positive, at), 2.0**-126
        dp = 1 / (2 + 2 * math.cosh(at))
        assert abs(value - true) <= allowed * abs(true) + tiny, (at, float(true), value)
        assert abs(gradient - true_slope) <= allowed * (abs(true_slope) + dp) + tiny, (at, float(true_slope), gradient)


@pytest.mark.parametrize("label", [0, 3])
@pytest.mark.parametrize("name", list(exact.SOFTMAX_SETTINGS))
def test_softmax_losses_in_single_precision_against_fifty_digits(name, label):
    """Within 4 units of the exact entries and gradients, a unit being one rounding of log P, of size 1 + |log P|."""
    loss = LOSSES[name](**exact.SOFTMAX_SETTINGS[name])
    for at in HARD:
        row = [float(at), 0.0, -1.0, 0.5]
        x, y = torch.tensor([row]), torch.nn.functional.one_hot(torch.tensor([label]), 4).float()
        precise = [mp.mpf(z) for z in row]
        entries, weights, log_P = exact.softmax_entries(name, precise, label)
        gamma = 4 if name.endswith("l-softmax") else 2 if name == "focal-softmax" else 4 if name == "ldam" else 0
        unit = (1 + gamma) * (1 + max(map(abs, log_P))) * max(1, *map(abs, weights))
        for value, true in zip(loss(x, y)[0].tolist(), entries, strict=True):
            assert abs(value - true) <= 4 * ULP * unit, (at, float(true), value)
        for c, got in enumerate(slope(loss, x, y)[0].tolist()):
            true = mp.diff(
                lambda *z: mp.fsum(exact.softmax_entries(name, list(z), label)[0]),
                precise,
                tuple(int(j == c) for j in range(4)),
            )
            assert abs(got - true) <= 4 * ULP * unit * (1 + gamma), (at, c, float(true), got)


@pytest.mark.parametrize("name", NAMES)
def test_repr_can_be_evaluated(name):
    loss = make(name)
    assert eval(repr(loss), vars(losses)) == loss


@pytest.mark.parametrize("name", NAMES)
def test_pickling(name, rng):
    x, y = examples(rng, one_label=name in SOFTMAX)
    loss = pickle.loads(pickle.dumps(make(name)))
    assert loss == make(name) and torch.equal(loss(x, y), make(name)(x, y))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 4), (5, 4), (1, 1)], ids=["one row", "rows", "one class"])
@pytest.mark.parametrize("targets", [torch.zeros, torch.ones])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_edges_are_finite(name, shape, targets, dtype):
    facts = {key: fact[: shape[1]] if key == "counts" else fact for key, fact in facts_of(name).items()}
    loss = LOSSES[name](**facts)
    for reach in (0.0, 1e4, -1e4):
        x, y = torch.full(shape, reach, dtype=dtype), targets(shape)
        assert loss(x, y).isfinite().all() and slope(loss, x, y).isfinite().all()
        assert loss(x, y).dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_batch_is_refused(name):
    with pytest.raises(ValueError, match="must not be empty"):
        make(name)(torch.zeros(0, 4), torch.zeros(0, 4))


@pytest.mark.parametrize("name", NAMES)
def test_shapes_that_do_not_fit_are_refused(name):
    with pytest.raises(ValueError, match=r"must both end in \[B, C\]"):
        make(name)(torch.zeros(3, 4), torch.zeros(2, 4))


@pytest.mark.parametrize("name", ENTRYWISE + SOFTMAX)
def test_vmap_and_grad(name, rng):
    """torch.func over rows gives what autograd gives over the batch."""
    x, y = examples(rng, one_label=name in SOFTMAX)
    loss = make(name)
    one = torch.func.grad(lambda a, b: loss(a[None], b[None]).sum())
    torch.testing.assert_close(torch.func.vmap(one)(x, y), slope(loss, x, y))


@pytest.mark.parametrize("name", NAMES)
def test_autocast_computes_in_single_precision(name, rng):
    x, y = examples(rng, dtype=torch.float32, one_label=name in SOFTMAX)
    layer = torch.nn.Linear(4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = layer(x)
        value = make(name)(logits, y)
    assert logits.dtype == torch.bfloat16 and value.dtype == torch.float32
    torch.testing.assert_close(value, make(name)(logits.float(), y))
    value.mean().backward()
    assert layer.weight.grad.isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_torch_compile(name, rng):
    x, y = examples(rng, dtype=torch.float32, one_label=name in SOFTMAX)
    torch._dynamo.reset()
    compiled = torch.compile(make(name), backend="aot_eager")
    torch.testing.assert_close(compiled(x, y), make(name)(x, y))
    torch.testing.assert_close(slope(compiled, x, y), slope(make(name), x, y))


@pytest.mark.parametrize("gamma", np.linspace(0.05, 0.95, 4))
@pytest.mark.parametrize("name", ["asl", "apl", "ral", "apl-eq5", "ral-eq6", "bal", "bal-eq4"])
def test_where_published_code_has_no_number_ours_has_one(name, gamma):
    """Broken powers at and below the corner p = m, and (bal, D18) where P < t0 p."""
    x = torch.tensor([[-30.0, -5.0, -2.9444, 2.0]])
    loss = make(name, gamma_neg=gamma, focusing="full")
    assert loss(x, torch.zeros(1, 4)).isfinite().all() and len(COUNTS) == 4
    assert slope(loss, x, torch.zeros(1, 4)).isfinite().all()
