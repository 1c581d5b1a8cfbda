"""How tightly images lie around the centroid of their class (LM-CLIP Table 4), as printed and as computed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evenkeel.trainables.data.stratify import GROUPS
from evenkeel.trainables.measures.base import Column, Evidence, Measured, Needs

if TYPE_CHECKING:
    from torch import Tensor

EPSILON = 1e-6
"""Added to each coordinate difference, as the published code's library routine does."""


@dataclass(frozen=True)
class Centroids:
    """Distances of unit-norm embeddings to class centroids, positives over the rest; lower is better.

    `centroid`: R_k = D_k+ / D_k-, the mean over classes. `centroid_pairs`: the mean over all (image, positive class)
    pairs over that of all other pairs, in which frequent classes own most pairs (D30).
    """

    needs: Needs = "embeddings"

    @property
    def columns(self) -> dict[str, Column]:
        return {
            "centroid": Column("centroid distance ratio, printed", "lower", ("test",), GROUPS),
            "centroid_pairs": Column("centroid distance ratio, computed", "lower", ("test",), GROUPS),
        }

    def compute(self, evidence: Evidence) -> Measured:
        import torch

        positive = evidence.targets["test"] > 0.5
        other = ~positive & evidence.label_mask.get("test", torch.ones_like(positive))
        distances = torch.stack([to_centroids(e, positive) for e in evidence.embeddings["test"].double()])
        near, far = ((distances * entries).sum(1) for entries in (positive, other))
        ratio = (near / positive.sum(0)) / (far / other.sum(0))
        totals = {}
        for part, members in {"": list(range(positive.shape[1])), **evidence.groups}.items():
            name, with_images = "_" * bool(part) + part, [c for c in members if positive[:, c].any()]
            totals[f"test_centroid{name}"] = ratio[:, with_images].nanmean(-1)
            near_mean, far_mean = (
                distance[:, with_images].sum(1) / entries[:, with_images].sum()
                for distance, entries in ((near, positive), (far, other))
            )
            totals[f"test_centroid_pairs{name}"] = near_mean / far_mean
        return Measured(totals, {"test_centroid": ratio})


def to_centroids(embeddings: "Tensor", positive: "Tensor") -> "Tensor":
    """Distances [N, C] of embeddings [N, D] to the mean of each class; 0 to a class without images."""
    import torch

    unit = torch.nn.functional.normalize(embeddings, dim=-1)
    centroids = positive.double().T @ unit / positive.sum(0).clamp_min(1)[:, None]
    apart = torch.stack([torch.nn.functional.pairwise_distance(unit, c, eps=EPSILON) for c in centroids], 1)
    return apart * positive.any(0)
