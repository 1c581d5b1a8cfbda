"""A few test images, the same for every trial of a study, and how they become small pictures."""

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from evenkeel.trainables.measures.base import Evidence

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

MOST, SIDE, STRIP, QUALITY = 8, 128, 16, 80
"""Images of a sheet; pixels of their side and of the strip that names them; quality of JPEG."""


def pick_images(evidence: Evidence) -> "tuple[Tensor, list[int]]":
    """(test rows [M], a class of each): one image of up to eight classes, from frequent to rare in training.

    A class shows its first test image that no other shows, if it has one.
    """
    import numpy as np
    import torch

    trained, targets = evidence.trained, evidence.targets["test"].cpu() > 0.5
    assert trained is not None
    counts = trained.labels("train", torch.arange(trained.num_rows("train"))).cpu().sum(0)
    present = [c for c in counts.argsort(descending=True, stable=True).tolist() if targets[:, c].any()]
    classes = [present[i] for i in np.linspace(0, len(present) - 1, min(MOST, len(present))).round().astype(int)]
    rows: list[int] = []
    for c in classes:
        images = targets[:, c].nonzero().flatten().tolist()
        rows.append(next((row for row in images if row not in rows), images[0]))
    return torch.tensor(rows, dtype=torch.long), classes


def plain(images: "Tensor") -> "np.ndarray":
    """Images [B, 1 or 3, S, S] in [0, 1] as [B, S, S, 3]."""
    return images.permute(0, 2, 3, 1).expand(-1, -1, -1, 3).float().cpu().numpy()


def sheet(lines: "Sequence[Sequence[np.ndarray]]", titles: Sequence[str] = ()) -> bytes:
    """A JPEG of lines of images [S, S, 3] in [0, 1], each SIDE pixels wide; a strip above each line for its title."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    strip = STRIP if titles else 0
    page = Image.new("RGB", (SIDE * len(lines[0]), (SIDE + strip) * len(lines)), "white")
    for y, line in enumerate(lines):
        for x, image in enumerate(line):
            tile = Image.fromarray((255 * np.clip(image, 0, 1)).astype(np.uint8)).resize((SIDE, SIDE))
            page.paste(tile, (x * SIDE, y * (SIDE + strip) + strip))
    for y, title in enumerate(titles):
        corner = (3, y * (SIDE + strip))
        ImageDraw.Draw(page).text(corner, title, fill="black", font=ImageFont.load_default(STRIP - 4))
    content = BytesIO()
    page.save(content, "JPEG", quality=QUALITY)
    return content.getvalue()
