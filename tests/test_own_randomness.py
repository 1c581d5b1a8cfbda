"""Training leaves torch's generators and determinism as they were, and asks nothing of torch that it need not."""

import subprocess
import sys

import pytest
import torch

from evenkeel.trainables.loop.step import own_randomness


@pytest.fixture
def as_before():
    yield
    torch.use_deterministic_algorithms(False)


def determinism():
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


@pytest.mark.parametrize("before", [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("deterministic", [False, True])
def test_settings_of_torch_are_afterwards_as_they_were(as_before, before, deterministic):
    torch.use_deterministic_algorithms(before[0], warn_only=before[1])
    state = torch.get_rng_state()
    with own_randomness(deterministic):
        is_wanted = deterministic or before[0]
        assert determinism() == (is_wanted, is_wanted)
        torch.rand(3)
        torch.use_deterministic_algorithms(not is_wanted)
    assert determinism() == before and torch.equal(torch.get_rng_state(), state)


def test_torchs_compiler_is_not_imported_where_nothing_changes():
    code = (
        "import sys\nfrom evenkeel.trainables.loop.step import own_randomness\n"
        "with own_randomness(False): pass\nassert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
