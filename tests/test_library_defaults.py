"""docs/models.md says what timm and open_clip do unless told otherwise: each row against the installed libraries."""

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import nn

from evenkeel.trainables.models.settings import Optimisation
from evenkeel.trainables.models.torchvision_pair import import_torchvision
from evenkeel.trainables.models.training import make_average, make_optimiser, make_schedule

import_torchvision()
ROOT = Path(__file__).parents[1]
DOC = (ROOT / "docs" / "models.md").read_text()
ROWS = re.findall(r"^\| `((?:timm|open_clip)\S*)` \| (?:`(\w+)=(.+?)`)? ?\| ([^|]+) \| ([^|]+) \|$", DOC, flags=re.M)


def test_the_table_is_of_the_versions_that_are_pinned():
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    assert f"What timm {pins['timm']} and open_clip {pins['open_clip_torch']} do unless" in DOC
    assert len(ROWS) == DOC.partition("| function | default |")[2].count("\n| `") > 30


@pytest.mark.parametrize(("function", "name", "value"), [row[:3] for row in ROWS if row[1]])
def test_each_default_is_as_printed(function, name, value):
    module, _, attribute = function.rpartition(".")
    default = inspect.signature(getattr(import_module(module), attribute)).parameters[name].default
    expected = ast.literal_eval(value)
    assert isinstance(default, bool) is isinstance(expected, bool) and default == pytest.approx(expected)


class Layers(nn.Sequential):
    """Two layers that timm decays one after the other."""

    def __init__(self):
        super().__init__(nn.Linear(2, 2), nn.Linear(2, 1))

    def group_matcher(self, coarse=False):
        return {"stem": r"^0", "blocks": r"^(\d+)"}


def settings(**keys):
    return Optimisation.model_validate({"lr": 1.0, "weight_decay": 0.1, "epochs": 4} | keys)


def test_norms_and_biases_are_not_decayed():
    groups = make_optimiser(Layers(), settings()).param_groups
    assert {(group["weight_decay"], parameter.ndim) for group in groups for parameter in group["params"]} == {
        (0.1, 2),
        (0.0, 1),
    }
    (whole,) = make_optimiser(Layers(), settings(optimiser_args={"filter_bias_and_bn": False})).param_groups
    assert whole["weight_decay"] == 0.1 and len(whole["params"]) == 4


def test_sgd_is_nesterovs():
    assert make_optimiser(Layers(), settings(optimiser="sgd")).defaults["nesterov"]
    plain = make_optimiser(Layers(), settings(optimiser="momentum")).defaults
    assert not plain["nesterov"] and plain["momentum"] == 0.9


def test_layer_decay_bends_warm_up_and_min_lr():
    optimiser = make_optimiser(Layers(), settings(layer_decay=0.5, min_lr=0.2, warmup_epochs=2))
    schedule = make_schedule(optimiser, settings(layer_decay=0.5, min_lr=0.2, warmup_epochs=2), steps_per_epoch=10)
    shares = {group["lr_scale"] for group in optimiser.param_groups}
    assert len(shares) > 1 and max(shares) == 1
    for step, lr in ((0, 0.0), (10, 0.5), (20, 1.0), (40, 0.2)):
        schedule.step_update(step)
        assert all(group["lr"] == pytest.approx(lr * group["lr_scale"]) for group in optimiser.param_groups)


def test_the_first_two_steps_of_an_average_are_copied():
    layer = nn.Linear(1, 1, bias=False)
    average = make_average(layer, 0.9)
    values = []
    for step in range(4):
        with torch.no_grad():
            layer.weight.fill_(step + 1.0)
        average.update(layer, step=step)
        values.append(average.module.weight.item())
    assert values == pytest.approx([1, 2, 0.9 * 2 + 0.1 * 3, 0.9 * 2.1 + 0.1 * 4])


def test_colours_are_summed_for_grey_images():
    from timm.models import adapt_input_conv

    weights = torch.randn(4, 3, 2, 2)
    assert torch.equal(adapt_input_conv(1, weights), weights.sum(1, keepdim=True))


def test_texts_are_lowered_and_cut_with_an_end_mark():
    import open_clip

    tokens = open_clip.SimpleTokenizer()
    assert torch.equal(tokens(["Cat"]), tokens(["cat"]))
    cut, whole = tokens(["a " * 100])[0], tokens(["a " * 70])[0]
    assert cut[-1] == tokens.eot_token_id and (cut[1:71] == whole[1:71]).all()
    assert torch.tensor(2.65926).exp() == pytest.approx(1 / 0.07)
