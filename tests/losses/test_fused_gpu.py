"""The path for a GPU: torch.compile of the closed forms, here compiled for the CPU, since CI has no GPU."""

from dataclasses import dataclass

import pytest
import torch

from evenkeel.trainables.fused import fuse, gpu, means, path_of
from evenkeel.trainables.fused.gpu import compiled_by_torch
from evenkeel.trainables.losses import Ral
from tests.losses.test_contract import NAMES, SOFTMAX, examples, make
from tests.losses.test_contract import settings as drawn_settings
from tests.losses.test_fused import Branching, Doubled

GRAPH_ONLY = "aot_eager"
"""Reads forward as inductor does and runs the operations one by one: seconds instead of half a minute."""


def pack_of(name, rng, num):
    drawn = list(drawn_settings(name, rng, num))
    return {
        key: torch.tensor([setting[key] for setting in drawn]).view(-1, 1, 1)
        for key, value in drawn[0].items()
        if isinstance(value, float)
    }


def assert_same_means(compiled, loss, x, y):
    results = []
    for path in (compiled, loss):
        a = x.clone().requires_grad_()
        value = means(path, a, y)
        weights = torch.linspace(1, 2, value.numel()).view(value.shape)
        results.append((value.detach(), *torch.autograd.grad((value * weights).sum(), a)))
    for ours, eager in zip(*results, strict=True):
        assert ours.dtype == eager.dtype
        torch.testing.assert_close(ours, eager, rtol=3e-5, atol=3e-6 * float(eager.abs().max().clamp_min(1e-3)))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SOFTMAX])
@pytest.mark.parametrize("packed", [False, True], ids=["numbers", "pack"])
def test_every_multi_label_loss_is_read_as_one_graph(name, packed, rng):
    loss = make(name, **(pack_of(name, rng, 3) if packed else {}))
    compiled = compiled_by_torch(loss, "cpu", GRAPH_ONLY)
    assert path_of(compiled) == "compiled"
    for rows in (20, 7):  # the last batch of an epoch is smaller
        x, y = examples(rng, rows=rows, reach=6.0, dtype=torch.float32)
        assert_same_means(compiled, loss, x.expand(3, -1, -1).contiguous() if packed else x, y)


@pytest.mark.slow
def test_the_real_compiler(rng):
    loss = make("ral", **pack_of("ral", rng, 3))
    compiled = compiled_by_torch(loss, "cpu")
    x, y = examples(rng, rows=20, reach=6.0, dtype=torch.float32)
    assert_same_means(compiled, loss, x.expand(3, -1, -1).contiguous(), y)
    assert torch.equal(compiled(x, y), loss(x, y))


@dataclass(frozen=True, kw_only=True)
class Unreadable(Ral):
    """Calls what no compiler reads."""

    def negative(self, x, places):
        return super().negative(torch.tensor(x.tolist()), places)


@pytest.mark.parametrize("kind", [Doubled, Branching, Unreadable])
def test_what_does_not_compile_or_agree_stays_eager(kind):
    assert compiled_by_torch(kind(), "cpu", GRAPH_ONLY) is None


def test_cuda_takes_this_path_by_itself(monkeypatch):
    """Without a GPU only the choice can be seen; the device of the small batch is what it is asked for."""
    asked = []
    monkeypatch.setattr(gpu, "compiled_by_torch", lambda loss, device: asked.append(device))
    loss = Ral()
    assert fuse(loss, "cuda:0") is loss and asked == ["cuda:0"]
    monkeypatch.undo()
    assert torch.cuda.is_available() or path_of(fuse(loss, "cuda")) == "eager"
    assert fuse(loss, "mps") is loss
