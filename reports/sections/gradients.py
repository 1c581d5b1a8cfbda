"""How hard does each class pull at the weights? Gradient norms by class, each loss at its default (LM-CLIP Fig. 2)."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.small_multiples import add_curve, multiples
from evenkeel.reports.figures.style import looks, plain, symbols
from evenkeel.reports.statistics.intervals import nan_mean
from evenkeel.reports.table.designs import losses_of
from evenkeel.reports.table.record_files import RecordFile, any_trial_has, files_at_defaults, npz_arrays, provenance
from evenkeel.reports.table.trial_table import facts_of

GRADIENTS_FILE = "gradients.npz"
NORM_VIEWS = {"in a batch": "", "an entry": "_entry"}
"""What the curves are -> how its columns end in the file."""
SIGNS = ("positive", "negative")


class GradientsNumbers(NamedTuple):
    """`norms` by loss, then by name (`positive`, `positive_entry`, ...) [C]; `order` of classes by train positives."""

    losses: list[str]
    files: dict[str, RecordFile]
    classes: tuple[str, ...]
    order: np.ndarray
    groups: dict[str, list[int]]
    norms: dict[str, dict[str, np.ndarray]]
    looks: dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Gradients:
    """Classes from frequent to rare; in a batch, where frequent classes have more entries, and an entry."""

    key: str = "gradients"
    title: str = "Gradients by class"
    question: str = "Do rare classes move the weights as much as frequent ones?"

    @classmethod
    def for_study(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()] if any_trial_has(table, GRADIENTS_FILE) else []

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> GradientsNumbers:
        study = facts_of(table)
        files = files_at_defaults(table, GRADIENTS_FILE)
        norms = {loss: npz_arrays(file.content) for loss, file in files.items()}
        counts = np.array(study.data.positives.get("train") or [0] * len(study.data.classes))
        groups = {name: list(members) for name, members in study.data.groups.items() if members}
        order = np.argsort(-counts, kind="stable")
        return GradientsNumbers(losses_of(table), files, study.data.classes, order, groups, norms, looks(study.losses))

    def draw(self, info: GradientsNumbers) -> Drawing | None:
        if not info.norms:
            return None
        first = next(iter(info.norms))
        views = {view: f"gradient norm {view}; 1: the largest positive one of {first}" for view in NORM_VIEWS}
        drawn = multiples([f"{sign} part" for sign in SIGNS], views, margins=[0, 0], num_entries=len(info.norms))
        drawn.update_layout(
            shapes=[], yaxis_type="log", yaxis2_type="log", xaxis_type="category", xaxis2_type="category"
        )
        shapes, names = symbols(info.norms), [info.classes[c] for c in info.order]
        for loss, norms in info.norms.items():
            for (i, sign), view in ((frame, view) for frame in enumerate(SIGNS) for view in NORM_VIEWS):
                add_curve(
                    drawn, i, loss, info.looks[loss], shapes[loss],
                    x=names, y=plain(norms[sign + NORM_VIEWS[view]][info.order] / self.unit(info, NORM_VIEWS[view])),
                    meta={"view": view}, visible=view == "in a batch",
                    hovertemplate=f"{loss}, %{{x}}: %{{y:.3g}}<extra>{sign}</extra>",
                )  # fmt: skip
        return drawn

    def unit(self, info: GradientsNumbers, per: str) -> float:
        """What counts as 1: the largest positive norm of the first loss."""
        return float(np.nanmax(next(iter(info.norms.values()))[f"positive{per}"]))

    def rows(self, info: GradientsNumbers) -> pd.DataFrame | None:
        if not info.norms:
            return None
        return pd.DataFrame([
            {"part": sign, "norm": view, "loss": loss}
            | {group: _short(norms[sign + per][members]) for group, members in info.groups.items()}
            for sign in SIGNS for view, per in NORM_VIEWS.items() for loss, norms in info.norms.items()
        ])  # fmt: skip

    def answer(self, info: GradientsNumbers) -> str:
        if not info.norms:
            return "No default has gradient norms yet."
        lines = [_ratio(loss, norms, info.groups) for loss, norms in info.norms.items()]
        ratios = "\n".join(line for line in lines if line)
        return (
            "Norm of the gradient of a class's part of the loss by all weights, which stay as they are. "
            f"{provenance(info.files, info.losses)}" + (f"\n{ratios}" if ratios else "")
        )


def _ratio(loss: str, norms: dict[str, np.ndarray], groups: dict[str, list[int]]) -> str:
    """How positives of tail classes pull beside those of head classes, in words."""
    if not {"head", "tail"} <= groups.keys():
        return ""
    batch, entry = (
        float(np.divide(*(nan_mean(norms[f"positive{per}"][groups[name]]) for name in ("tail", "head"))))
        for per in NORM_VIEWS.values()
    )
    if not np.isfinite([batch, entry]).all():
        return ""
    return (
        f"{loss}: positives of tail classes pull {batch:.2g} times as hard as those of head classes in a batch, "
        f"{entry:.2g} times an entry."
    )


def _short(values: np.ndarray) -> str:
    finite = values[np.isfinite(values)]
    return f"{finite.mean():.3g}" if len(finite) else ""
