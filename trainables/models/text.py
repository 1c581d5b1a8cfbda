"""The text tower of a CLIP model, made to encode many short texts fast and texts with learned context.

Texts attend to what stands before them only (causal mask) and are read off at their end token. So whatever stands
behind the longest text of a batch cannot change a number: it is not computed.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from evenkeel.trainables.errors import TrainableError


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """Tokens or token embeddings to text embeddings [M, D], not normalised.

    `tower` holds the layers (the model itself, or its text tower where they lie apart). `causal`: texts may be cut at
    their end and may hold learned context; others are encoded whole by open_clip.
    """

    model: Any
    tower: Any
    tokenizer: Any
    causal: bool

    @classmethod
    def of(cls, model: Any, name: str | None) -> "TextEncoder":
        """The text tower of an open_clip model; CLIP's own byte pairs, which open_clip carries, for a nameless one."""
        import open_clip

        tower = model if hasattr(model, "token_embedding") else model.text
        pool = getattr(tower, "text_pool_type", getattr(tower, "pool_type", None))
        plain = getattr(tower, "cls_emb", None) is None and not getattr(tower, "use_pad_mask", False)
        causal = hasattr(tower, "token_embedding") and tower.attn_mask is not None and plain and pool == "argmax"
        if name is None:
            return cls(model, tower, open_clip.SimpleTokenizer(context_length=tower.context_length), causal)
        try:
            return cls(model, tower, open_clip.get_tokenizer(name), causal)
        except OSError as error:
            raise TrainableError(
                f"trainable.model.name: the tokenizer of {name} cannot be had ({' '.join(str(error).split())[:200]}); "
                "take a model with CLIP's own byte pairs, as ViT-B-16"
            ) from error

    @property
    def width(self) -> int:
        """Width of a token embedding."""
        return self.tower.token_embedding.weight.shape[1]

    def tokens(self, texts: list[str]) -> Tensor:
        """Token numbers [M, L] of texts, padded behind their ends; what is longer than the tower reads is cut."""
        return self.tokenizer(texts)

    def encode(self, tokens: Tensor) -> Tensor:
        """Text embeddings [M, D] of tokens [M, L]."""
        if not self.causal:
            return self.model.encode_text(tokens)
        tokens = tokens[:, : int(ends(tokens).max()) + 1]
        return self.encode_embedded(self.embed(tokens), ends(tokens))

    def embed(self, tokens: Tensor) -> Tensor:
        """Token embeddings [M, L, W], without positions."""
        return self.tower.token_embedding(tokens)

    def encode_embedded(self, embedded: Tensor, end: Tensor) -> Tensor:
        """Text embeddings [M, D] of token embeddings [M, L, W] whose end tokens stand at `end` [M].

        Raises TrainableError for a tower that does not read from left to right.
        """
        if not self.causal:
            raise TrainableError("trainable.model: learned context needs a text tower that reads from left to right")
        length, tower = embedded.shape[1], self.tower
        if length > len(tower.positional_embedding):
            most = len(tower.positional_embedding)
            raise TrainableError(
                f"trainable.context: prompts of {length} tokens, the text tower reads {most}; shorten it"
            )
        x = embedded + tower.positional_embedding[:length]
        x = tower.transformer(x, attn_mask=tower.attn_mask[:length, :length])
        # Each text is normalised and projected where it ends only.
        x = tower.ln_final(x[torch.arange(len(x), device=x.device), end])
        projection = tower.text_projection
        if projection is None:
            return x
        return projection(x) if isinstance(projection, nn.Linear) else x @ projection


def ends(tokens: Tensor) -> Tensor:
    """Where each text ends: CLIP's end token has the highest number, [M]."""
    return tokens.argmax(-1)


def unit(embeddings: Tensor) -> Tensor:
    """Rows [..., W] of unit norm, in float32 at least."""
    return functional.normalize(embeddings if embeddings.dtype == torch.float64 else embeddings.float(), dim=-1)
