"""The cosine of heads, prompts and CLIP is timm's; nothing else of the trainables works one out."""

from pathlib import Path

import pytest
import torch

from evenkeel.trainables.lm_clip.optimiser import learning_rate
from evenkeel.trainables.lm_clip.settings import LmClip
from evenkeel.trainables.loop.schedule import cosine_share
from evenkeel.trainables.models.torchvision_pair import import_torchvision

TRAINABLES = Path(__file__).parent.parent / "trainables"


def timm_rates(lr: float, num: int) -> list[float]:
    """The rate of each of `num` steps, and of the one after the last."""
    import_torchvision()
    from timm.scheduler import CosineLRScheduler

    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr)
    schedule, rates = CosineLRScheduler(optimiser, num), []
    for step in range(num + 1):
        schedule.step(step)
        rates.append(optimiser.param_groups[0]["lr"])
    return rates


@pytest.mark.parametrize("num", [1, 2, 7, 100])
def test_the_share_of_the_first_rate_is_that_of_timm(num: int):
    assert [0.3 * cosine_share(step / num) for step in range(num + 1)] == pytest.approx(timm_rates(0.3, num), abs=1e-12)


def test_lm_clip_takes_its_rate_from_it_epoch_by_epoch():
    settings = LmClip(model={"name": "RN50"}, epochs=5, lr=1e-4)
    assert [learning_rate(settings, epoch) for epoch in range(6)] == pytest.approx(timm_rates(1e-4, 5), abs=1e-15)


def test_three_trainables_share_it_and_no_other_module_has_a_cosine_of_its_own():
    sources = {path.relative_to(TRAINABLES): path.read_text() for path in TRAINABLES.rglob("*.py")}
    assert {str(path.parent) for path, text in sources.items() if "import cosine_share" in text} == {
        *("probe", "prompt", "lm_clip")
    }
    assert [str(path) for path, text in sources.items() if "math.cos(" in text] == ["loop/schedule.py"]
