"""Two-dimensional coordinates of test embeddings (LM-CLIP Fig. 8), as a file of the record."""

from dataclasses import dataclass

from trainables.measures.base import Column, Evidence, Measured, Needs

MOST_ROWS, SEED = 2000, 0


@dataclass(frozen=True)
class Embedding:
    """t-SNE (perplexity min(30, n - 1), fixed seed) and PCA of up to 2,000 test images: `embedding.npz`.

    In the file: tsne [n, 2], pca [n, 2], targets [n, C].
    """

    needs: Needs = "model"

    @property
    def columns(self) -> dict[str, Column]:
        return {}

    def compute(self, evidence: Evidence) -> Measured:
        import numpy as np
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE

        assert evidence.trained is not None
        values = evidence.embeddings["test"][0, :MOST_ROWS].double().cpu().numpy()
        perplexity = min(30, len(values) - 1)
        path = evidence.trained.folder / "embedding.npz"
        np.savez_compressed(
            path,
            tsne=TSNE(perplexity=perplexity, random_state=SEED, init="pca").fit_transform(values).astype(np.float32),
            pca=PCA(2, random_state=SEED).fit_transform(values).astype(np.float32),
            targets=evidence.targets["test"][:MOST_ROWS].cpu().numpy().astype(np.uint8),
        )
        return Measured(files={"embedding": str(path)})
