"""A few test images with their labels and scores (LM-CLIP Fig. 7), as a file of the record."""

from dataclasses import dataclass

from evenkeel.trainables.measures.base import Column, Evidence, Measured, Needs, saved


@dataclass(frozen=True)
class ExampleImages:
    """One test image of up to eight classes, frequent to rare: `examples.npz`.

    In the file: `sheet`, bytes of a JPEG with the images below each other; targets [n, C]; scores [n, C] in float16.
    """

    needs: Needs = "model"

    @property
    def columns(self) -> dict[str, Column]:
        return {}

    def compute(self, evidence: Evidence) -> Measured:
        import numpy as np

        from evenkeel.trainables.measures.thumbnails import pick_images, plain, sheet

        assert evidence.trained is not None
        rows, _ = pick_images(evidence)
        if not len(rows):
            return Measured()
        files = saved(
            evidence,
            "examples",
            sheet=np.frombuffer(sheet([[image] for image in plain(evidence.trained.images("test", rows))]), np.uint8),
            targets=evidence.targets["test"].cpu()[rows].numpy().astype(np.uint8),
            scores=evidence.scores["test"][0].cpu()[rows].numpy().astype(np.float16),
        )
        return Measured(files=files)
