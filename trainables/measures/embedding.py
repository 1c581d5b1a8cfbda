"""Two-dimensional coordinates of test embeddings (LM-CLIP Fig. 8), as a file of the record."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evenkeel.trainables.measures.base import Column, Evidence, Measured, Needs, saved

if TYPE_CHECKING:
    import numpy as np

MOST_ROWS, SEED = 2000, 0


@dataclass(frozen=True)
class ImageEmbedding:
    """t-SNE (perplexity min(30, n - 1), fixed seed) and PCA of up to 2,000 test images: `embedding.npz`.

    In the file: tsne [n, 2], pca [n, 2], targets [n, C].
    """

    needs: Needs = "model"

    @property
    def columns(self) -> dict[str, Column]:
        return {}

    def compute(self, evidence: Evidence) -> Measured:
        import numpy as np

        tsne, pca = coordinates(evidence.embeddings["test"][0, :MOST_ROWS].double().cpu().numpy())
        targets = evidence.targets["test"][:MOST_ROWS].cpu().numpy().astype(np.uint8)
        return Measured(files=saved(evidence, "embedding", tsne=tsne, pca=pca, targets=targets))


def coordinates(embeddings: "np.ndarray") -> "tuple[np.ndarray, np.ndarray]":
    """t-SNE and PCA [n, 2] of embeddings [n, D]; zeros where a model gives every image the same one.

    In one thread: more do not pay at these sizes, and fight where workers share a machine. The scale is taken off
    first: t-SNE does not depend on it, but scikit-learn's ends the process where its start has no spread.
    """
    import numpy as np
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    centred = embeddings - embeddings.mean(0)
    largest = np.abs(centred).max()
    if largest <= 1e-12 * np.abs(embeddings).max():
        flat = np.zeros((len(embeddings), 2), np.float32)
        return flat, flat
    with threadpool_limits(1):
        pca = PCA(2, random_state=SEED).fit_transform(centred / largest)
        start = 1e-4 * pca / pca[:, 0].std()
        tsne = TSNE(perplexity=min(30, len(pca) - 1), random_state=SEED, init=start).fit_transform(centred / largest)
    return tsne.astype(np.float32), (largest * pca).astype(np.float32)
