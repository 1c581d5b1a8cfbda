"""The rivals of the benchmarks compute what they are compared with."""

import importlib
from pathlib import Path

import pytest
import torch

from benchmarks.loss_speed import NAMES, setting_of
from benchmarks.released import RELEASED
from tests.losses.plain import PLAIN


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(40, 8), (3, 40, 8)], ids=["one trial", "pack"])
def test_released_codes_give_the_plain_formula(name, shape):
    generator = torch.Generator().manual_seed(0)
    setting = setting_of(name, shape, generator)
    x = torch.randn(shape, generator=generator, dtype=torch.float64) / 4
    y = (torch.rand(shape[-2:], generator=generator) < 0.3).double()
    torch.testing.assert_close(RELEASED[name](x, y, **setting), PLAIN[name](x, y, **setting), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("file", sorted(Path(__file__).parents[1].glob("benchmarks/*.py")), ids=lambda file: file.stem)
def test_every_benchmark_fits_the_code(file):
    importlib.import_module(f"benchmarks.{file.stem}")
