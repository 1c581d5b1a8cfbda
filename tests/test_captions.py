"""Captions of images: the order of their labels, and what CLIP's text tower loses of long ones."""

import numpy as np
import pytest

from evenkeel.study.file.read import load_study
from evenkeel.trainables import TrainableError
from evenkeel.trainables.data.cxr_lt import FINDINGS
from evenkeel.trainables.data.image_set import ImageSet
from evenkeel.trainables.data.load import load
from evenkeel.trainables.models.caption_length import cut_captions
from evenkeel.trainables.models.captions import Captions
from evenkeel.trainables.models.torchvision_pair import import_torchvision
from tests.data.published import voc_mlt


def test_the_published_order_is_that_of_the_list(tmp_path):
    images = load(voc_mlt(tmp_path), 8, tmp_path / "cache")
    row = 3  # "2008_000003.jpg 3 0"
    assert Captions(order="published").texts(images, np.array([row])) == ["a photo of a tvmonitor, aeroplane"]
    assert Captions().texts(images, np.array([row])) == ["a photo of a aeroplane, tvmonitor"]


def test_the_order_follows_the_classes_that_are_kept(tmp_path):
    images = load(voc_mlt(tmp_path), 8, tmp_path / "cache").keep_classes(np.array([True, False, True, True]))
    texts = Captions(order="published").texts(images, np.array([0, 3]))
    assert texts == ["a photo of a aeroplane", "a photo of a tvmonitor, aeroplane"]


def test_data_without_an_order_of_its_own_says_so():
    images = ImageSet(np.zeros((1, 0, 0, 1), np.uint8), np.ones((1, 2), np.uint8), np.zeros(1), None, ["a", "b"])
    with pytest.raises(TrainableError, match="captions.order: the data lists labels in no order of its own"):
        Captions(order="published").texts(images, np.array([0]))


def test_at_most_so_many_labels_are_the_rarest_in_their_order():
    targets = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0]], np.uint8)
    images = ImageSet(np.zeros((3, 0, 0, 1), np.uint8), targets, np.zeros(3), None, ["a", "b", "c"])
    texts = Captions(most_labels=2).texts(images, np.arange(3))
    assert texts == ["a photo of a b, c", "a photo of a a, b", "a photo of a a"]


def test_what_is_lost_is_what_clips_own_tokenizer_cuts():
    """The 26 findings of CXR-LT; the tokens that open_clip keeps, decoded again, hold the others."""
    import_torchvision()
    from open_clip.tokenizer import SimpleTokenizer

    tokenizer = SimpleTokenizer()
    kept = tokenizer.decode(tokenizer(["a photo of a " + ", ".join(FINDINGS)])[0].tolist())
    whole = [name for name in FINDINGS if name.lower() in kept.replace("  ", " ")]
    oddity = cut_captions(Captions(), {FINDINGS: 3, FINDINGS[:2]: 40})
    assert (
        f"3 train captions of up to {len(tokenizer.encode('a photo of a ' + ', '.join(FINDINGS))) + 2} tokens"
        in str(oddity)
    )
    assert f"loses {26 - len(whole)} of 26 labels" in str(oddity) and str(oddity).endswith("(trainable.captions)")
    assert cut_captions(Captions(most_labels=len(whole)), {FINDINGS[: len(whole)]: 3}) is None


@pytest.mark.parametrize(("most", "lost"), [(25, True), (15, False)])
def test_captions_that_name_the_rarest_may_still_be_cut(most, lost):
    assert (cut_captions(Captions(most_labels=most), {FINDINGS: 3}) is not None) == lost


def test_short_captions_are_not_even_tokenised():
    def never(text):
        raise AssertionError(text)

    assert cut_captions(Captions(), {("cat", "dog"): 5}, never) is None


@pytest.mark.parametrize(
    "name", ["lm-clip-voc-mlt-rn50", "lm-clip-voc-mlt-vitb16-published", "lm-clip-coco-mlt-vitl14"]
)
def test_presets_of_published_lists_keep_the_published_order(name):
    assert load_study(name).trainable.captions.order == "published"
