"""The texts of a trial as tokens: class prompts, and the captions of every training row."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from evenkeel.trainables.models.captions import class_prompts, numbered
from evenkeel.trainables.models.text import TextEncoder
from evenkeel.trainables.random_streams import stream_seed


@dataclass(frozen=True)
class Texts:
    """Tokens of the class prompts [C, L] and of each distinct caption [T, L].

    Row n has the `num` [N] captions `numbers[first[n]]` and following ones; `numbers` [M], `first` [N].
    """

    encoder: TextEncoder
    prompts: Tensor
    captions: Tensor
    numbers: Tensor
    first: Tensor
    num: Tensor

    @classmethod
    def of(cls, encoder: TextEncoder, captions: list[list[str]], classes: list[str], device: torch.device) -> "Texts":
        """The texts of training rows, by their captions (of each row at least one) and the class names [C]."""
        distinct, numbers = numbered([text for texts in captions for text in texts])
        num = np.array([len(texts) for texts in captions], dtype=np.int64)
        on_device = [torch.from_numpy(values).to(device) for values in (numbers, num.cumsum() - num, num)]
        prompts = encoder.tokens(class_prompts(classes)).to(device)
        return cls(encoder, prompts, encoder.tokens(distinct).to(device), *on_device)

    def encode_prompts(self) -> Tensor:
        """Embeddings [C, D] of the class prompts."""
        return self.encoder.encode(self.prompts)

    def captions_of(self, rows: Tensor, seed: int, epoch: int) -> tuple[Tensor, Tensor]:
        """(tokens [U, L] of the distinct captions of some rows, which of them is a row's, [B]).

        Of several captions each row has another in each epoch, drawn from the seed.
        """
        drawn = _draw(len(self.num), seed, epoch, self.num.device)[rows]
        place = self.first[rows] + (drawn * self.num[rows]).long()
        which, caption_of_row = self.numbers[place].unique(return_inverse=True)
        return self.captions[which], caption_of_row


@lru_cache(maxsize=1)
def _draw(num_rows: int, seed: int, epoch: int, device: torch.device) -> Tensor:
    """A number in [0, 1) a row [N], the same in every step of an epoch."""
    generator = torch.Generator().manual_seed(stream_seed(seed, "captions", epoch))
    return torch.rand(num_rows, generator=generator, dtype=torch.float64).to(device)
