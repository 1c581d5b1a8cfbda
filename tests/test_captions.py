"""Captions of images: the order of their labels, and what CLIP's text tower loses of long ones."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from evenkeel.study.file.read import load_study
from evenkeel.trainables import TrainableError
from evenkeel.trainables.data.cxr_lt import FINDINGS
from evenkeel.trainables.data.image_set import ImageSet
from evenkeel.trainables.data.load import load
from evenkeel.trainables.lm_clip.texts import Texts
from evenkeel.trainables.models.caption_length import cut_captions, cut_sentences
from evenkeel.trainables.models.captions import Captions
from evenkeel.trainables.models.torchvision_pair import import_torchvision
from tests.data.makers import SIX_TARGETS, six, write
from tests.data.published import voc_mlt
from tests.data.test_kinds import FRAME, read, sentences

SAID = {"caption_column": "said"}


def test_the_published_order_is_that_of_the_list(tmp_path):
    images = load(voc_mlt(tmp_path), 8, tmp_path / "cache")
    row = 3  # "2008_000003.jpg 3 0"
    assert Captions(order="published").texts(images, np.array([row])) == [["a photo of a tvmonitor, aeroplane"]]
    assert Captions().texts(images, np.array([row])) == [["a photo of a aeroplane, tvmonitor"]]


def test_the_order_follows_the_classes_that_are_kept(tmp_path):
    images = load(voc_mlt(tmp_path), 8, tmp_path / "cache").keep_classes(np.array([True, False, True, True]))
    texts = Captions(order="published").texts(images, np.array([0, 3]))
    assert texts == [["a photo of a aeroplane"], ["a photo of a tvmonitor, aeroplane"]]


def test_data_without_an_order_of_its_own_says_so():
    images = ImageSet(np.zeros((1, 0, 0, 1), np.uint8), np.ones((1, 2), np.uint8), np.zeros(1), None, ["a", "b"])
    with pytest.raises(TrainableError, match="captions.order: the data lists labels in no order of its own"):
        Captions(order="published").texts(images, np.array([0]))


def test_at_most_so_many_labels_are_the_rarest_in_their_order():
    targets = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0]], np.uint8)
    images = ImageSet(np.zeros((3, 0, 0, 1), np.uint8), targets, np.zeros(3), None, ["a", "b", "c"])
    texts = Captions(most_labels=2).texts(images, np.arange(3))
    assert texts == [["a photo of a b, c"], ["a photo of a a, b"], ["a photo of a a"]]


TWO_EACH = [[f"Picture {i}, bright.", f"Picture {i}, dark."] for i in range(6)]
ROWS = [(i, text) for i, texts in enumerate(TWO_EACH) for text in texts]
BESIDE = {"label_column": "tags", "split_column": "split", "tables": {"all": "t.csv"}, "image_column": "file"}
SENTENCES = {
    "COCO's captions, a file a split": (
        {"c-train.json": sentences(range(3)), "c-val.json": sentences(range(3, 6))},
        {"caption_table": {"file": "c-*.json", "image": "file_name"}},
    ),
    "a row a sentence (Flickr)": (
        {"c.txt": "image,caption\n" + "".join(f'im{i}.png,"{text}"\n' for i, text in ROWS)},
        {"caption_table": {"file": "c.txt", "image": "image"}},
    ),
    "lists in a column": ({"t.csv": FRAME.assign(said=list(map(json.dumps, TWO_EACH))).to_csv(index=False)}, SAID),
    "rows of the table of labels": (
        {"t.csv": pd.concat([FRAME.assign(said=[row[n] for row in TWO_EACH]) for n in (0, 1)]).to_csv(index=False)},
        SAID,
    ),
    "joined": (
        {"c.jsonl": "\n".join(json.dumps({"id": f"im{i}", "said": texts}) for i, texts in enumerate(TWO_EACH))},
        SAID | {"join": [{"file": "c.jsonl", "by": {"file": "id"}}]},
    ),
}


@pytest.mark.parametrize("form", SENTENCES)
def test_sentences_of_images_in_the_forms_in_which_they_are_published(form, tmp_path):
    files, keys = SENTENCES[form]
    data = read(write(six(tmp_path), {"t.csv": FRAME.to_csv(index=False)} | files), BESIDE | keys)
    images = load(data, 8, tmp_path / "cache")
    assert images.captions == TWO_EACH and images.targets.tolist() == SIX_TARGETS.tolist()
    assert data.describe().captions == TWO_EACH[:2]  # those of train


def test_images_without_a_sentence_are_refused_before_any_trial(tmp_path):
    said = ["", "a dog", "a cat", "a dog", "a cat", "two"]
    folder = write(six(tmp_path), {"t.csv": FRAME.assign(said=said).to_csv(index=False)})
    how = Captions(source="data")
    with pytest.raises(TrainableError, match="captions.source: 1 train image of 2 without a sentence"):
        how.refuse(read(folder, BESIDE | SAID).describe().captions)
    with pytest.raises(TrainableError, match=r"the data has no sentences; name them with data.caption_column"):
        how.refuse(read(folder, BESIDE).describe().captions)
    with pytest.raises(TrainableError, match="captions.source: 1 train image of 2"):
        how.texts(load(read(folder, BESIDE | SAID), 8, tmp_path / "cache"), np.arange(2))
    with pytest.raises(ValueError, match="order and most_labels are for those of labels"):
        Captions(source="data", most_labels=3)


class Characters:
    """A text encoder whose tokens are characters."""

    def tokens(self, texts):
        return torch.tensor([[ord(sign) for sign in text] for text in texts])


def test_each_epoch_draws_one_of_an_images_sentences():
    """Of two sentences each comes in half of the epochs (within 5 standard deviations); the only one always does."""
    texts = Texts.of(Characters(), [["a"], ["b", "c"], ["c", "b"]], ["x"], torch.device("cpu"))

    def drawn(epoch):
        tokens, number = texts.captions_of(torch.tensor([0, 1, 2, 1]), 3, epoch)
        return "".join(chr(token) for token in tokens[number, 0])

    epochs = [drawn(epoch) for epoch in range(400)]
    assert {text[0] for text in epochs} == {"a"} and all(text[1] == text[3] for text in epochs)
    assert all(abs(sum(text[k] == "b" for text in epochs) - 200) < 50 for k in (1, 2))
    assert epochs[:9] == [drawn(epoch) for epoch in range(9)]


def test_long_sentences_are_said_to_be_cut():
    long = "a cat and " * 40
    assert cut_sentences([["a cat"]]) is None
    assert "1 sentence of up to 122 tokens, cut at 77" in str(cut_sentences([["a cat", long], [long]]))


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
