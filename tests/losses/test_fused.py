"""The compiled path gives what the eager path gives, wherever it runs, and leaves the rest to it."""

import ast
import subprocess
import sys
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import evenkeel.trainables.fused as fused
from evenkeel.search_spaces import SPACES, Choice
from evenkeel.trainables.fused import SWITCH, fuse, means, path_of
from evenkeel.trainables.fused import run as fused_module
from evenkeel.trainables.fused.compile import _loaded, compiled
from evenkeel.trainables.fused.run import Fused
from evenkeel.trainables.fused.trace import trace
from evenkeel.trainables.losses import Bal, EntryLoss, Ral, Side
from tests.losses.test_contract import COUNTS, NAMES, SOFTMAX, examples, make, slope
from tests.losses.test_contract import settings as drawn_settings
from tests.test_architecture import ROOT

FUSED = [name for name in NAMES if name not in SOFTMAX]
CLOSE = {"rtol": 3e-5, "atol": 3e-6}


def both(loss, x, y, reduce=lambda loss, a, b: loss(a, b)):
    """Value and slope of the fused and of the eager path, [2] each."""
    results = []
    for path in (fuse(loss), loss):
        a = x.detach().clone().requires_grad_()
        value = reduce(path, a, y)
        (gradient,) = torch.autograd.grad((value * torch.linspace(1, 2, value.numel()).view(value.shape)).sum(), a)
        results.append((value.detach(), gradient))
    return results


def assert_same(loss, x, y, reduce=lambda loss, a, b: loss(a, b), **tolerance):
    (value, gradient), (eager_value, eager_gradient) = both(loss, x, y, reduce)
    scale = eager_value.abs().max().clamp_min(1), eager_gradient.abs().max().clamp_min(1e-3)
    assert gradient.dtype == eager_gradient.dtype
    tolerance = tolerance or CLOSE
    torch.testing.assert_close(value / scale[0], eager_value.float() / scale[0], **tolerance)
    torch.testing.assert_close(gradient / scale[1], eager_gradient / scale[1], **tolerance)


@pytest.mark.parametrize("name", FUSED)
def test_every_multi_label_loss_has_a_kernel(name):
    assert path_of(fuse(make(name))) == "fused"


@pytest.mark.parametrize("name", SOFTMAX)
def test_a_loss_without_closed_slopes_stays_itself(name):
    loss = make(name)
    assert fuse(loss) is loss and path_of(loss) == "eager"


@pytest.mark.parametrize("name", FUSED)
def test_entries_and_gradients_are_those_of_the_eager_path(name, rng):
    x, y = examples(rng, rows=30, reach=12.0, dtype=torch.float32)
    for setting in [{}, *drawn_settings(name, rng, 6)]:
        assert_same(make(name, **setting), x, y)


@pytest.mark.parametrize("name", FUSED)
@pytest.mark.parametrize("layout", ["trials first", "rows first", "one"])
def test_packs_in_any_layout(name, layout, rng):
    """Hyperparameters as [K, 1, 1] tensors; logits as the heads give them (rows first in memory) or not."""
    K = 1 if layout == "one" else 5
    x, y = examples(rng, rows=33, reach=6.0, dtype=torch.float32)
    x = torch.stack([x + 0.1 * k for k in range(K)])
    x = x.transpose(0, 1).contiguous().transpose(0, 1) if layout == "rows first" else x
    parameters = SPACES[name].parameters
    pack = {
        key: torch.tensor([parameter.at(rng.random()) for _ in range(K)], dtype=torch.float32).view(-1, 1, 1)
        for key, parameter in parameters.items()
        if not isinstance(parameter, Choice)
    }
    loss = make(name, **pack)
    assert fuse(loss).plan(x, y)
    assert_same(loss, x, y)
    assert_same(loss, x, y.expand_as(x).clone())
    assert_same(loss, x, y, means)


@pytest.mark.parametrize("name", FUSED)
def test_means_are_means_of_the_entries(name, rng):
    x, y = examples(rng, rows=30, reach=6.0, dtype=torch.float32)
    assert_same(make(name), x, y, means)
    assert_same(make(name), x.bfloat16(), y, means, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("shape", [(1, 4), (700, 4), (3, 5, 4), (2, 400, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("target_dtype", [torch.float32, torch.bfloat16, torch.bool, torch.uint8])
def test_shapes_and_types(shape, dtype, target_dtype, rng):
    x = torch.tensor(rng.normal(size=shape) * 3, dtype=torch.float32).to(dtype)
    y = torch.tensor(rng.random(shape[-2:]) < 0.3).to(target_dtype)
    tolerance = CLOSE if dtype == torch.float32 else {"rtol": 1e-2, "atol": 1e-2}
    for name in ("ral", "bal", "db"):
        assert_same(make(name), x, y, **tolerance)


def test_many_classes_go_in_blocks_and_threads(rng):
    counts = tuple(range(3, 3003))
    x = torch.tensor(rng.normal(size=(40, 3000)) * 3, dtype=torch.float32)
    y = torch.tensor(rng.random((40, 3000)) < 0.02, dtype=torch.float32)
    from evenkeel.trainables.losses import BalEq4, Db

    for loss in (Ral(), BalEq4(counts=counts), Db(counts=counts, total=5000)):
        assert_same(loss, x, y)
        assert_same(loss, x, y, means)


@pytest.mark.parametrize("layout", ["trials first", "rows first", "one"])
@pytest.mark.parametrize("reach", [3.0, 0.0, -3.0], ids=["mixed", "ties", "negative"])
def test_threads_share_the_batch_maximum(layout, reach, rng, monkeypatch):
    """Each thread sees some rows or some trials; ties of the maximum lie in several of them."""
    monkeypatch.setattr(fused_module, "ENTRIES_PER_THREAD", 1)
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    x = torch.tensor(rng.uniform(-4, -1, (1 if layout == "one" else 5, 40, 700)) + max(reach, 0), dtype=torch.float32)
    x = torch.where(x > 0.5, 0.5, x) if reach == 0 else x
    x = x[0] if layout == "one" else x
    x = x.transpose(0, 1).contiguous().transpose(0, 1) if layout == "rows first" else x
    if reach == 0:
        x[..., ::7, 3] = 2.0
    y = torch.tensor(rng.random((40, 700)) < 0.1, dtype=torch.float32)
    loss = Bal(counts=tuple(range(1, 701)))
    try:
        assert fuse(loss).plan(x, y).num_parts == 3
        assert_same(loss, x, y)
        assert_same(loss, x, y, means)
    finally:
        torch.set_num_threads(threads)


@settings(max_examples=60, deadline=None)
@given(st.floats(-1e4, 1e4, width=32), st.sampled_from(FUSED), st.booleans())
def test_extremes_are_finite_and_agree(logit, name, positive):
    x = torch.tensor([[logit, 0.0, -1.0, 1.0]])
    y = torch.full((1, 4), float(positive))
    assert_same(make(name), x, y)
    assert slope(fuse(make(name)), x, y).isfinite().all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("path", ["fused", "eager"])
def test_a_nan_logit_never_becomes_a_finite_loss(name, path):
    x, y = torch.zeros(2, 4), torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 1]])
    x[0, 0] = x[0, 1] = torch.nan
    loss = fuse(make(name)) if path == "fused" else make(name)
    assert loss(x, y)[0, :2].isnan().all()
    assert means(loss, x, y).isnan()


def test_what_has_no_kernel_runs_eagerly():
    fused = fuse(Ral())
    y = torch.zeros(2, 4)
    assert not fused.plan(torch.zeros(2, 4, dtype=torch.float64), y)
    assert fused(torch.zeros(2, 4, dtype=torch.float64), y).dtype == torch.float64
    assert not fused.plan(torch.zeros(2, 4, dtype=torch.float16), y)
    assert not fused.plan(torch.zeros(2, 2, 2, 4), y)
    assert not fuse(Ral(gamma_neg=torch.full((3, 1, 1), 2.5))).plan(torch.zeros(2, 4), y)
    assert fuse(Ral(gamma_neg=torch.full((3, 1, 1), 2.5)))(torch.zeros(2, 4), y).shape == (3, 2, 4)
    with pytest.raises(ValueError, match="must not be empty"):
        fused(torch.zeros(0, 4), torch.zeros(0, 4))


@dataclass(frozen=True, kw_only=True)
class Doubled(Ral):
    """Does more than its sides say."""

    def __call__(self, logits, targets):
        return 2 * super().__call__(logits, targets)


@dataclass(frozen=True, kw_only=True)
class Branching(Ral):
    """Looks at values, which a kernel cannot."""

    def negative(self, x, places):
        return super().negative(x if x.max() > 0 else -x, places)


@pytest.mark.parametrize("kind", [Doubled, Branching])
def test_a_loss_that_is_more_than_its_sides_runs_eagerly(kind):
    assert path_of(fuse(kind())) == "eager"


@dataclass(frozen=True, kw_only=True)
class Own(EntryLoss):
    """A user's loss as docs/adding_a_loss.md says: two closed sides and nothing else."""

    pull: float = 1.5

    def positive(self, x, places):
        return Side(self.pull * torch.exp(-x), -self.pull * torch.exp(-x))

    def negative(self, x, places):
        return Side(torch.exp(x), torch.exp(x))


def test_a_users_loss_with_closed_sides_is_compiled(rng):
    x, y = examples(rng, reach=3.0, dtype=torch.float32)
    assert path_of(fuse(Own())) == "fused"
    assert_same(Own(), x, y, means)
    torch.testing.assert_close(fuse(Own())(x, y), torch.where(y > 0.5, 1.5 * torch.exp(-x), torch.exp(x)))


def test_it_can_be_switched_off(monkeypatch):
    monkeypatch.setenv(SWITCH, "0")
    assert path_of(fuse(Ral())) == "eager"


@pytest.mark.parametrize("compiler", ["no-such-compiler", "false"])
def test_without_a_working_compiler_losses_run_eagerly(compiler, monkeypatch, tmp_path):
    monkeypatch.setenv("CC", compiler)
    monkeypatch.setenv("EVENKEEL_CACHE", str(tmp_path))
    _loaded.cache_clear()
    assert path_of(fuse(Ral())) == "eager"
    _loaded.cache_clear()


def test_a_kernel_is_compiled_once_for_all_processes(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENKEEL_CACHE", str(tmp_path))
    imports = "from evenkeel.trainables.losses import Ral; from evenkeel.trainables.fused import fuse"
    script = f"{imports}; print(fuse(Ral()).kernel)"
    made = set()
    for _ in range(2):
        subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
        (library,) = (tmp_path / "kernels").glob("*.so")
        made.add(library.stat().st_mtime_ns)
    assert len(made) == 1


def test_equal_formulas_share_a_kernel():
    assert compiled(trace(Ral(hill_lambda=1.7))) is compiled(trace(Ral(hill_lambda=2.3)))


def test_gradients_keep_flowing_through_the_graph(rng):
    """Once forward, twice backward, into what lies before the loss."""
    x, y = examples(rng, dtype=torch.float32)
    weight = torch.ones(4, requires_grad=True)
    loss = means(fuse(Ral()), x * weight, y)
    (first,) = torch.autograd.grad(loss, weight, retain_graph=True)
    (second,) = torch.autograd.grad(loss, weight)
    assert torch.equal(first, second) and isinstance(fuse(Ral()), Fused) and len(COUNTS) == 4


def imported_names():
    """(module that imports, module imported, name) of all `from ... import ...` in the package `trainables`."""
    for path in sorted((ROOT / "trainables").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                yield from ((str(path.relative_to(ROOT)), node.module or "", alias.name) for alias in node.names)


def test_fused_is_a_lodger():
    """Three names are all that others use, `fuse` is for packing, and of the losses it knows one module."""
    assert set(fused.__all__) == {"fuse", "means", "path_of"}
    for importer, module, name in imported_names():
        if importer.startswith("trainables/fused/"):
            assert (
                not module.startswith("evenkeel.trainables.losses") or module == "evenkeel.trainables.losses.entrywise"
            )
        elif module.startswith("evenkeel.trainables.fused"):
            assert module == "evenkeel.trainables.fused" and name in fused.__all__, (
                f"{importer} imports {module}.{name}"
            )
            assert name != "fuse" or importer == "trainables/packing.py", f"{importer} imports fuse"


@pytest.mark.parametrize("module", ["evenkeel.trainables.packing", "evenkeel.trainables.fused"])
def test_no_compiler_is_imported_before_it_is_needed(module):
    code = f"import sys, {module}; print([m for m in ('torch._dynamo', 'torch._inductor') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
