"""`load` of a user's own data set: its form, the same contents at every call, and what is made of it in the cache."""

from dataclasses import replace
from textwrap import dedent

import numpy as np
import pytest

from evenkeel.trainables.data.load import load
from evenkeel.trainables.data.own_contents import check_form
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.probe.features import FeatureStore
from tests.test_trainables import SETTINGS, TRAINABLES, Squares

GOOD = Squares().load(16, None)
BROKEN = {
    "no ImageSet": ([1, 2], "must give an ImageSet, got list"),
    "float images": (replace(GOOD, images=GOOD.images / 255), "images that are not uint8 [72, 16, 16, 1 or 3]"),
    "images of another side": (replace(GOOD, images=GOOD.images[:, :8, :8]), "got uint8 [72, 8, 8, 1]"),
    "channels first": (replace(GOOD, images=GOOD.images.transpose(0, 3, 1, 2)), "got uint8 [72, 1, 16, 16]"),
    "images missing": (replace(GOOD, images=GOOD.images[:-1]), "got uint8 [71, 16, 16, 1]"),
    "class numbers": (replace(GOOD, targets=GOOD.targets.argmax(1)), "targets that are not uint8 [N, C] of 0 and 1"),
    "a target of 2": (replace(GOOD, targets=2 * GOOD.targets), "targets that are not uint8 [N, C] of 0 and 1"),
    "probabilities": (replace(GOOD, targets=GOOD.targets / 2), "got float64 [72, 4]"),
    "a list of targets": (replace(GOOD, targets=GOOD.targets.tolist()), "targets that are not uint8 [N, C]"),
    "a split of 3": (replace(GOOD, split=GOOD.split + 1), "split that are not uint8 [72] of 0, 1 and 2"),
    "names of splits": (replace(GOOD, split=np.repeat(["train", "val", "test"], 24)), "split that are not uint8"),
    "groups of other rows": (replace(GOOD, group=np.arange(71)), "group that are not None or an array [72]"),
    "a class too few": (replace(GOOD, classes=list("abc")), "classes that are not 4 texts that differ"),
    "a class twice": (replace(GOOD, classes=list("abca")), "classes that are not 4 texts that differ"),
    "classes by number": (replace(GOOD, classes=[0, 1, 2, 3]), "classes that are not 4 texts that differ"),
    "a mask of numbers": (replace(GOOD, label_mask=GOOD.targets), "label_mask that are not None or bool [N, C]"),
    "an unknown class": (replace(GOOD, label_order=[[4]] * 72), "label_order that are not None or 72 lists"),
}


def test_an_image_set_as_it_is_promised_passes():
    masked = replace(GOOD, label_mask=GOOD.targets > 0, label_order=[[0]] * 72, group=np.arange(72))
    assert check_form("own:Data", GOOD, 16) is GOOD and check_form("own:Data", masked, 16) is masked


@pytest.mark.parametrize("case", BROKEN)
def test_another_type_shape_or_value_is_named_in_a_line(case):
    loaded, words = BROKEN[case]
    with pytest.raises(TrainableError) as refused:
        check_form("own:Data", loaded, 16)
    assert words in str(refused.value) and str(refused.value).startswith("data: own:Data: load() ")
    assert "rule 4 of docs/adding_a_data_set.md" in str(refused.value) and "\n" not in str(refused.value)


CALLS = iter(range(1000))


class Own(Squares):
    """A data set of a user's whose `what` changes with every call, or stays."""

    name: str = "tests.data.test_own_contents:Own"
    what: str = "nothing"

    def load(self, image_size, cache):
        loaded, call = super().load(image_size, cache), next(CALLS)
        match self.what:
            case "images":
                loaded.images[:, 0, 0] = call % 256
            case "targets":
                loaded.targets[5] = np.roll(loaded.targets[5], call)
            case "classes":
                return replace(loaded, classes=[f"{name}{call}" for name in "abcd"])
            case "split":
                return replace(loaded, split=np.roll(loaded.split, call))
            case "group":
                return replace(loaded, group=np.array([f"{row} of {call}" for row in range(72)]))
        return loaded


@pytest.mark.parametrize("part", ["images", "targets", "classes", "split", "group"])
def test_contents_that_change_under_one_fingerprint_are_refused(part, tmp_path):
    with pytest.raises(
        TrainableError, match=rf"Own: load\(\) gives other {part} at another call, with the same finger"
    ):
        load(Own(what=part), 16, tmp_path)


def test_a_second_load_is_made_once_a_machine_and_later_ones_are_compared_with_its_note(tmp_path):
    first = next(CALLS)
    for _ in range(3):
        load(Own(), 16, tmp_path)
    assert next(CALLS) - first - 1 == 4
    (note,) = tmp_path.glob("contents-*.json")
    note.write_text(note.read_text().replace('"split": "', '"split": "f'))
    with pytest.raises(TrainableError, match=f"other split .* remove {note} if a library"):
        load(Own(), 16, tmp_path)
    note.write_text("half a no")
    load(Own(), 16, tmp_path)


OWN = """
    from dataclasses import replace
    from tests.test_trainables import Squares

    class Edited(Squares):
        name: str = "edited_data_of_a_user:Edited"

        def load(self, image_size, cache):
            return replace(super().load(image_size, cache), classes=list("abcd"))
"""


def test_features_are_made_again_of_a_data_set_whose_code_was_edited(tmp_path, monkeypatch):
    """The cache would otherwise give those of the former code, with no change of the fingerprint."""
    import importlib

    module = tmp_path / "edited_data_of_a_user.py"
    module.write_text(dedent(OWN))
    monkeypatch.syspath_prepend(str(tmp_path))
    data = importlib.import_module(module.stem).Edited()
    probe = TRAINABLES["probe"].model_validate({"name": "probe", **SETTINGS["probe"]})
    before = FeatureStore(probe, data, tmp_path)._folder(None)
    module.write_text(module.read_text().replace("abcd", "dcba"))
    assert FeatureStore(probe, data, tmp_path)._folder(None) != before
