"""The texts of a trial as tokens: class prompts, and a caption for every training row."""

from dataclasses import dataclass

import torch
from torch import Tensor

from evenkeel.trainables.models.captions import class_prompts, numbered
from evenkeel.trainables.models.text import TextEncoder


@dataclass(frozen=True)
class Texts:
    """Tokens of the class prompts [C, L] and of each distinct caption [T, L]; `caption_of` [N] numbers the rows'."""

    encoder: TextEncoder
    prompts: Tensor
    captions: Tensor
    caption_of: Tensor

    @classmethod
    def of(cls, encoder: TextEncoder, captions: list[str], classes: list[str], device: torch.device) -> "Texts":
        """The texts of training rows, by their captions [N] and the class names [C]."""
        distinct, number = numbered(captions)
        prompts = encoder.tokens(class_prompts(classes)).to(device)
        return cls(encoder, prompts, encoder.tokens(distinct).to(device), torch.from_numpy(number).to(device))

    def encode_prompts(self) -> Tensor:
        """Embeddings [C, D] of the class prompts."""
        return self.encoder.encode(self.prompts)

    def captions_of(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(tokens [U, L] of the distinct captions of some rows, which of them is a row's, [B])."""
        which, caption_of_row = self.caption_of[rows].unique(return_inverse=True)
        return self.captions[which], caption_of_row
