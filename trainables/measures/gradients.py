"""How hard each class pulls at the weights, by its positives and by its negatives (LM-CLIP Fig. 2, our definition)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evenkeel.trainables.data.stratify import GROUPS
from evenkeel.trainables.measures.base import Column, Evidence, Measured, Needs, Trained, by_group, saved
from evenkeel.trainables.random_streams import stream_seed

if TYPE_CHECKING:
    from torch import Tensor

NUM_BATCHES, BATCH = 8, 32
SIGNS = ("positive", "negative")


@dataclass(frozen=True)
class GradientNorms:
    """Norm of the gradient, by all weights, of a class's part of the loss, summed over a batch of train images.

    The mean over the first 8 batches that hold such an entry, of 32 rows each, in one pass of a fixed seed over all
    train rows; `_entry`: divided by how many entries the batch holds, which separates the pull of an image from the
    number of images. Weights and norms stay as trained. `gradients.npz` holds the same by class: [C] a column.
    """

    needs: Needs = "model"

    @property
    def columns(self) -> dict[str, Column]:
        return {
            f"gradient_{sign}{per}": Column(f"gradient norm of {sign} parts{words}", "lower", ("train",), GROUPS)
            for sign in SIGNS
            for per, words in (("", ""), ("_entry", ", an entry"))
        }

    def compute(self, evidence: Evidence) -> Measured:
        import torch

        trained = evidence.trained
        assert trained is not None
        generator = torch.Generator().manual_seed(stream_seed(0, "gradients"))
        order = torch.randperm(trained.num_rows("train"), generator=generator)
        totals, an_entry, num_batches = torch.zeros(3, 2, evidence.targets["test"].shape[1], dtype=torch.float64)
        for rows in order.split(BATCH):
            counts = sides(trained, rows).sum(1).cpu()
            pending = (counts > 0) & (num_batches < NUM_BATCHES)
            if pending.any():
                norms = of_batch(trained, rows, pending)
                totals += norms
                an_entry += norms / counts.clamp_min(1)
                num_batches += pending
        means = {"": totals / num_batches, "_entry": an_entry / num_batches}  # NaN where no batch holds one
        values = {f"{sign}{per}": means[per][row] for row, sign in enumerate(SIGNS) for per in means}
        files = saved(evidence, "gradients", **{name: column.numpy() for name, column in values.items()})
        per_class = {f"train_gradient_{name}": column[None] for name, column in values.items()}
        return Measured(by_group(per_class, evidence.groups), per_class, files=files)


def sides(trained: Trained, rows: "Tensor") -> "Tensor":
    """Which entries are positives and which negatives, [2, B, C]; those of unknown labels are neither."""
    import torch

    positive, label_mask = trained.labels("train", rows) > 0.5, trained.label_mask("train", rows)
    return torch.stack([positive & label_mask, ~positive & label_mask])


def of_batch(trained: Trained, rows: "Tensor", pending: "Tensor") -> "Tensor":
    """Norms [2, C] of positives and negatives, 0 where they are not `pending` [2, C]."""
    import torch

    with torch.enable_grad():
        targets = trained.labels("train", rows)
        losses = trained.losses(trained.module(trained.normalised(trained.images("train", rows))).float(), targets)
        weights = [p for p in trained.module.parameters() if p.requires_grad]
        norms = torch.zeros(pending.shape, dtype=torch.float64)
        for row, side in enumerate(sides(trained, rows)):
            for c in pending[row].nonzero().flatten().tolist():
                pulls = torch.autograd.grad(losses[side[:, c], c].sum(), weights, retain_graph=True, allow_unused=True)
                norms[row, c] = sum(float(p.double().square().sum()) for p in pulls if p is not None) ** 0.5
    return norms
