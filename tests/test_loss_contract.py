"""What is asked of a user's own loss, and that a pack lets none change another's numbers."""

import re
from pathlib import Path

import pytest
import torch

from evenkeel.search_spaces import SPACES
from evenkeel.trainables import TRAINABLES
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.loss_contract import LOSS_PAGE, OwnLoss, check_losses
from evenkeel.trainables.losses import LOSSES
from evenkeel.trainables.packing import isolated_groups
from tests.test_trainables import SETTINGS, Squares, trial

SETTINGS_OF_W = ({"w": 1.0}, {"w": 0.5}, {"w": 2.0})


def own(name):
    return OwnLoss(name.lower(), f"tests.own_contract:{name}", SETTINGS_OF_W)


@pytest.mark.parametrize("name", ["Weighed", "DrawnAlone", "OfAllAlone", "OfRows", "Halving"])
def test_losses_that_keep_to_the_rules_pass(name):
    check_losses([own(name)])


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_of_ours_keeps_to_the_rules(name):
    space = SPACES[name]
    settings = [space.defaults()]
    for hyperparameter, parameter in space.parameters.items():
        settings += [settings[0] | {hyperparameter: level} for level in parameter.levels(3)]
    same_kind = [s for s in settings if all(type(s[k]) is type(v) and (isinstance(v, float) or s[k] == v)
                                            for k, v in settings[0].items())]  # fmt: skip
    check_losses([OwnLoss(name, name, same_kind, one_label=space.one_label)])


BROKEN = {
    "Mean": (1, r"must give one value an entry, \[1, 8, 4\], got \[\]"),
    "Whole": (2, "must give floating-point numbers, got torch.int64"),
    "Infinite": (3, r"is not finite with {'w': 1.0}: loss inf at logit -"),
    "Constant": (4, "has no gradient by its logits"),
    "Drawn": (5, "gives other numbers the second time"),
    "OfAll": (6, "gives a trial other numbers in a pack than alone"),
    "Branching": (6, "raises RuntimeError: Boolean value of Tensor"),
    "Writing": (7, "writes to its targets"),
    "Shifting": (7, "writes to its logits"),
    "Raising": (1, "raises KeyError: 'weights'"),
    "Leaving": (1, "raises SystemExit: 4"),
    "Seeding": (8, "changes torch's random generator"),
    "Widening": (8, "changes torch's default dtype"),
    "Sparse": (1, "must give a tensor of the shape of its logits, got a nested or sparse one"),
    "Elsewhere": (2, "must give floating-point numbers, got torch.float32 on meta"),
    "Narrow": (2, "must give floating-point numbers, got torch.float8_e4m3fn"),
    "Backward": (1, "raises ArithmeticError: no slope here"),
    "Stepping": (7, r"calls backward\(\) itself"),
    "Placing": (8, "changes torch's default device"),
    "Rounding": (8, "changes torch's precision of products"),
    "Ending": (9, "raises TypeError: 'NoneType' object is not callable"),
    "Averaging": (9, r"has log_odds that must give one value an entry, \[1, 8, 4\], got \[1, 8\]"),
    "Unsure": (3, r"is not finite with {'w': 1.0}: log-odds nan at logit -"),
}


@pytest.fixture
def torch_as_before():
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_default_device("cpu")
    torch.set_float32_matmul_precision("highest")


@pytest.mark.usefixtures("torch_as_before")
@pytest.mark.parametrize("name", BROKEN)
def test_a_loss_that_breaks_a_rule_is_refused_in_a_line(name):
    rule, words = BROKEN[name]
    with pytest.raises(TrainableError, match=words) as refusal:
        check_losses([own("Weighed"), own(name)])
    text = str(refusal.value)
    assert text.startswith(f"losses: {name.lower()} (tests.own_contract:{name}) ") and "\n" not in text
    assert text.endswith(f"(rule {rule} of {LOSS_PAGE})")


def test_a_loss_of_one_number_of_classes_is_tried_when_it_is_known():
    fourteen = own("OfFourteen")
    check_losses([fourteen], None)
    check_losses([fourteen], 14)
    with pytest.raises(TrainableError, match=r"size of tensor .* tried with 9 classes \(rule 1 of"):
        check_losses([fourteen], 9)
    with pytest.raises(TrainableError, match="raises KeyError"):
        check_losses([fourteen, own("Raising")], None)


@pytest.mark.parametrize("num_classes", [1, 2, 30])
def test_the_batch_has_any_number_of_classes(num_classes):
    check_losses([own("Weighed"), own("OfRows")], num_classes)


def test_every_rule_that_is_named_stands_in_the_docs():
    page = (Path(__file__).parents[1] / LOSS_PAGE).read_text()
    rules = {int(number) for number in re.findall(r"^(\d)\. ", page, re.MULTILINE)}
    assert {rule for rule, _ in BROKEN.values()} == rules


def test_losses_of_ones_own_stand_in_groups_of_their_own():
    names = ["bce", "tests.own_contract:Weighed", "ral", "tests.own_contract:DrawnAlone"]
    trials = [trial(name, seed=seed) for name in names for seed in (0, 0)]
    trials = [t for t in trials if t.loss != "ral"] + [trial("ral")]
    groups = [[t.loss for t in group] for group in isolated_groups(trials)]
    assert groups == [["bce", "bce", "ral"], [names[1]] * 2, [names[3]] * 2]


@pytest.mark.parametrize("name", ["probe", "prompt"])
def test_no_loss_changes_the_numbers_of_another(name, tmp_path):
    """Beside losses that write to their targets, draw, or raise: the others' numbers are those they have alone."""
    worker = TRAINABLES[name].model_validate({"name": name, **SETTINGS[name]}).worker()
    prepared = worker.prepare(Squares(), tmp_path, "cpu")
    (alone,) = (result for _, result in worker.run([trial("bce")], prepared, tmp_path))
    pack = [trial(f"tests.own_contract:{own}", w=1.0) for own in ("Writing", "Drawn", "Raising")]
    results = {}
    with pytest.raises(KeyError, match="weights"):
        for member, result in worker.run([*pack, trial("bce")], prepared, tmp_path):
            results[member.loss] = result
    assert results["bce"].metrics == alone.metrics and results["bce"].curves == alone.curves
    assert set(results) == {"bce", "tests.own_contract:Writing", "tests.own_contract:Drawn"}


def test_a_loss_that_draws_repeats_with_its_seed(tmp_path):
    worker = TRAINABLES["probe"].model_validate({"name": "probe", **SETTINGS["probe"]}).worker()
    prepared = worker.prepare(Squares(), tmp_path, "cpu")
    runs = []
    for noise in (0, 1):
        torch.manual_seed(noise)
        runs.append(dict_of(worker, prepared, tmp_path))
    assert runs[0] == runs[1]


def dict_of(worker, prepared, folder):
    pack = [trial("bce"), trial("tests.own_contract:DrawnAlone", w=1.0)]
    return {member.loss: result.curves for member, result in worker.run(pack, prepared, folder)}
