"""Class-weighted sampling: rows with rare classes are drawn more often (LM-CLIP paper, section III.D)."""

import torch
from torch import Tensor

FORMS = ("printed", "published")


def row_weights(targets: Tensor, *, s: float, form: str) -> Tensor:
    """Weight of each row of targets [N, C], [N], the largest 1.

    printed: SUM over the row's positives of w_c = (n_min / n_c)^s; published: (SUM over them of N / n_c)^s. The two
    agree at s = 1 and on data with one label a row; at s = 0 the published form is uniform, the printed one counts
    labels. A row without positives has weight 0. Raises ValueError for another form or a class without positives.
    """
    if form not in FORMS:
        raise ValueError(f"form must be one of {', '.join(FORMS)}, got {form!r}")
    present = targets.double()
    counts = present.sum(0)
    if counts.min() < 1:
        raise ValueError(f"every class needs a positive, class {int(counts.argmin())} has none: drop it")
    if form == "printed":
        weights = present @ (counts.min() / counts) ** s
    else:
        sums = present @ (len(targets) / counts)
        weights = torch.where(sums > 0, sums**s, 0.0)
    return weights / weights.max()


def draw_rows(weights: Tensor, generator: torch.Generator) -> Tensor:
    """Row numbers of one epoch, [N]: N draws with replacement, in proportion to the weights."""
    return torch.multinomial(weights, len(weights), replacement=True, generator=generator)


def batches_of(rows: Tensor, size: int) -> list[Tensor]:
    """Row numbers [N] as batches [size] in order.

    A last one of a single row, on which batch norm cannot train, joins the one before.
    """
    batches = list(rows.split(size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches
