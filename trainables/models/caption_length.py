"""What CLIP's text tower loses of captions of many labels: it reads 77 tokens."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from evenkeel.trainables.data.phrases import first_few, plural, shortened
from evenkeel.trainables.data.summary import Oddity
from evenkeel.trainables.models.captions import Captions, caption

NUM_TOKENS = 77
"""What CLIP reads of a text, its marks of start and end included (Radford et al. 2021, section 2.4)."""

Lengths = Callable[[str], int]


def cut_captions(
    how: Captions, label_sets: Mapping[tuple[str, ...], int], length: Lengths | None = None
) -> Oddity | None:
    """What captions of these label sets (-> number of train rows) lose by the cut, None when nothing.

    `length` says of a text how many tokens it has, without marks; CLIP's own byte pairs if None. A token has at least
    one character, so that short captions are not tokenised.
    """
    counts = Counter[str]()
    for labels, num in label_sets.items():
        counts.update(dict.fromkeys(labels, num))
    captioned = Counter[tuple[str, ...]]()
    for labels, num in label_sets.items():
        captioned[tuple(how.kept(labels, counts))] += num
    length = length or clip_length
    long = [labels for labels in captioned if len(caption(labels)) > NUM_TOKENS - 2]
    lost = {labels: names for labels in long if (names := _lost(labels, length))}
    if not lost:
        return None
    num_rows = sum(captioned[labels] for labels in lost)
    worst = max(lost, key=lambda labels: len(lost[labels]))
    num_tokens = max(length(caption(labels)) + 2 for labels in lost)
    return Oddity(
        f"{plural(num_rows, 'train caption')} of up to {num_tokens} tokens, cut at {NUM_TOKENS}: the longest loses "
        f"{len(lost[worst])} of {plural(len(worst), 'label')} ({first_few(map(shortened, lost[worst]))}); "
        "captions.most_labels names fewer",
        "captions",
        part="trainable",
    )


def cut_sentences(sentences: list[list[str]], length: Lengths | None = None) -> Oddity | None:
    """What sentences of train rows lose by the cut, None when nothing; `length` as above.

    No token spans a blank, so that words, which come again and again, are tokenised once each.
    """
    length = length or clip_length
    long = {text for texts in sentences for text in texts if len(text) > NUM_TOKENS - 2}
    lengths = [num + 2 for text in long if (num := sum(map(length, text.split()))) > NUM_TOKENS - 2]
    if not lengths:
        return None
    text = (
        f"{plural(len(lengths), 'sentence')} of up to {max(lengths)} tokens, cut at {NUM_TOKENS}: their ends are lost"
    )
    return Oddity(text, "captions", part="trainable")


def _lost(labels: tuple[str, ...], length: Lengths) -> list[str]:
    """The labels of a caption that do not fit whole."""
    return [name for n, name in enumerate(labels, 1) if length(caption(labels[:n])) + 2 > NUM_TOKENS]


@cache
def clip_length(text: str) -> int:
    """The number of CLIP's byte pairs of a text, without its marks."""
    return len(_tokenizer().encode(text))


@cache
def _tokenizer() -> Any:
    from evenkeel.trainables.models.torchvision_pair import import_torchvision

    import_torchvision()
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer()
