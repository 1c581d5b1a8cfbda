"""How hard each class pulls at the weights, by its positives and by its negatives (LM-CLIP Fig. 2, our definition)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainables.measures.base import Column, Evidence, Measured, Needs, Trained

if TYPE_CHECKING:
    from torch import Tensor

NUM_BATCHES, BATCH = 8, 32


@dataclass(frozen=True)
class Gradients:
    """Norm of the gradient, by all weights, of a class's part of the loss, summed over a batch of train images.

    The mean over the batches that hold such an entry; `_entry`: divided by how many entries the batch holds, which
    separates the pull of an image from the number of images. Weights and norms stay as trained; 8 batches of 32 rows
    drawn uniformly with a fixed seed.
    """

    needs: Needs = "model"

    @property
    def columns(self) -> dict[str, Column]:
        return {
            f"gradient_{sign}{per}": Column(f"gradient norm of {sign} parts{words}", "lower", ("train",))
            for sign in ("positive", "negative")
            for per, words in (("", ""), ("_entry", ", an entry"))
        }

    def compute(self, evidence: Evidence) -> Measured:
        import torch

        trained = evidence.trained
        assert trained is not None
        order = torch.randperm(trained.num_rows("train"), generator=torch.Generator().manual_seed(0))
        batches = [of_batch(trained, rows) for rows in order.split(BATCH)[:NUM_BATCHES]]
        per_class = {}
        for at, sign in enumerate(("positive", "negative")):
            norms, counts = (torch.stack([batch[kind][at] for batch in batches]) for kind in (0, 1))
            for per, values in (("", norms), ("_entry", norms / counts)):
                seen = torch.where(counts > 0, values, torch.nan)
                per_class[f"train_gradient_{sign}{per}"] = seen.nanmean(0)[None]
        return Measured({name: values.nanmean(-1) for name, values in per_class.items()}, per_class)


def of_batch(trained: Trained, rows: "Tensor") -> tuple["Tensor", "Tensor"]:
    """(norms, numbers of entries), each [2, C]: of positives, of negatives."""
    import torch

    with torch.enable_grad():
        targets = trained.labels("train", rows)
        losses = trained.losses(trained.module(trained.normalised(trained.images("train", rows))).float(), targets)
        weights = [p for p in trained.module.parameters() if p.requires_grad]
        sides = torch.stack([targets > 0.5, targets <= 0.5])
        norms = torch.zeros(2, targets.shape[1], dtype=torch.float64)
        for at, side in enumerate(sides):
            for c in side.any(0).nonzero().flatten().tolist():
                pulls = torch.autograd.grad(losses[side[:, c], c].sum(), weights, retain_graph=True, allow_unused=True)
                norms[at, c] = sum(float(p.double().square().sum()) for p in pulls if p is not None) ** 0.5
    return norms, sides.sum(1).cpu()
