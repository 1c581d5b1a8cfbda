"""Prompts with learned context: [start] context [class name, ending, end], for K trials at once.

Letters: K trials, C classes, M learned tokens, W width of a token embedding, D width of an embedding.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.models.text import TextEncoder, ends, unit
from evenkeel.trainables.random_streams import stream_seed

SPREAD = 0.02
"""Deviation of the numbers that a context starts as (Zhou et al. 2022)."""


@dataclass(frozen=True)
class Prompts:
    """What is fixed of the prompts: start token [C, 1, W], the rest behind the context [C, L, W], its end [C]."""

    text: TextEncoder
    first: Tensor
    ending: Tensor
    end: Tensor

    @classmethod
    def of(cls, text: TextEncoder, classes: list[str], ending: str, *, reference: Tensor) -> "Prompts":
        """The prompts of C class names as the label file writes them, underscores as blanks.

        They lie where `reference`, a tensor of any shape, does.
        """
        tokens = text.tokens([name.replace("_", " ") + ending for name in classes]).to(reference.device)
        end = ends(tokens)
        with torch.no_grad():
            embedded = text.embed(tokens[:, : int(end.max()) + 1]).detach()
        return cls(text, embedded[:, :1], embedded[:, 1:], end)

    def encode(self, contexts: Tensor) -> Tensor:
        """Unit-norm text embeddings [K, C, D] of contexts [K, C, M, W], or [K, 1, M, W] shared by all classes."""
        num_trials, num_classes, num_tokens = len(contexts), len(self.first), contexts.shape[2]
        shape = (num_trials, num_classes, -1, -1)
        parts = (self.first.expand(shape), contexts.expand(shape), self.ending.expand(shape))
        embedded = torch.cat(parts, dim=2).flatten(0, 1)
        encoded = self.text.encode_embedded(embedded, (self.end + num_tokens).repeat(num_trials))
        return unit(encoded).view(num_trials, num_classes, -1)


def starting_context(
    text: TextEncoder, *, num_tokens: int, num_classes: int, words: str | None, seed: int, reference: Tensor
) -> Tensor:
    """The context every trial of `seed` starts from, [num_classes, M, W] in the type of `reference`.

    Random numbers, or the embeddings of the tokens of `words`. Raises TrainableError for words of another length.
    """
    if words is None:
        generator = torch.Generator().manual_seed(stream_seed(seed, "init"))
        drawn = torch.randn(num_classes, num_tokens, text.width, generator=generator, dtype=torch.float64)
        return (SPREAD * drawn).to(reference)
    tokens = text.tokens([words])[0]
    own = tokens[1 : int(ends(tokens[None]))]
    if len(own) != num_tokens:
        raise TrainableError(
            f"trainable.start: {words!r} has {len(own)} tokens, trainable.context is {num_tokens}; make them equal"
        )
    with torch.no_grad():
        return text.embed(own.to(reference.device)).expand(num_classes, -1, -1).to(reference).clone()
