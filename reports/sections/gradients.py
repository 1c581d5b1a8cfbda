"""How hard does each class pull at the weights? Gradient norms by class, each loss at its default (LM-CLIP Fig. 2)."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.figures.small_multiples import axis_number, multiples
from evenkeel.reports.figures.style import looks, plain, symbols
from evenkeel.reports.statistics.intervals import nan_mean
from evenkeel.reports.table.designs import losses_of
from evenkeel.reports.table.record_files import Kept, arrays, has_any, kept, whose
from evenkeel.reports.table.trial_table import facts_of

FILE = "gradients.npz"
VIEWS = {"in a batch": "", "an entry": "_entry"}
"""What the curves are -> how its columns end in the file."""
SIGNS = ("positive", "negative")


class Info(NamedTuple):
    """`norms` by loss, then by name (`positive`, `positive_entry`, ...) [C]; `order` of classes by train positives."""

    losses: list[str]
    files: dict[str, Kept]
    classes: tuple[str, ...]
    order: np.ndarray
    groups: dict[str, list[int]]
    norms: dict[str, dict[str, np.ndarray]]
    looks: dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Pull:
    """Classes from frequent to rare; in a batch, where frequent classes have more entries, and an entry."""

    key: str = "gradients"
    title: str = "The pull of each class"
    question: str = "Do rare classes move the weights as much as frequent ones?"

    @classmethod
    def of(cls, table: pd.DataFrame) -> list[Self]:
        return [cls()] if has_any(table, FILE) else []

    def compute(self, table: pd.DataFrame, rng: np.random.Generator) -> Info:
        study = facts_of(table)
        files = kept(table, FILE)
        norms = {loss: arrays(one.content) for loss, one in files.items()}
        counts = np.array(study.data.positives.get("train") or [0] * len(study.data.classes))
        groups = {name: list(members) for name, members in study.data.groups.items() if members}
        order = np.argsort(-counts, kind="stable")
        return Info(losses_of(table), files, study.data.classes, order, groups, norms, looks(study.losses))

    def draw(self, info: Info) -> Drawing | None:
        if not info.norms:
            return None
        views = {
            view: f"gradient norm {view}; 1: the largest positive one of {next(iter(info.norms))}" for view in VIEWS
        }
        drawn = multiples([f"{sign} part" for sign in SIGNS], views, margins=[0, 0], num_entries=len(info.norms))
        drawn.update_layout(
            shapes=[], yaxis_type="log", yaxis2_type="log", xaxis_type="category", xaxis2_type="category"
        )
        shapes, names = symbols(info.norms), [info.classes[c] for c in info.order]
        for loss, norms in info.norms.items():
            for (i, sign), view in ((frame, view) for frame in enumerate(SIGNS) for view in VIEWS):
                drawn.add_scatter(
                    x=names, y=plain(norms[sign + VIEWS[view]][info.order] / self.unit(info, VIEWS[view])),
                    xaxis=f"x{axis_number(i)}", yaxis=f"y{axis_number(i)}", mode="lines+markers", name=loss,
                    legendgroup=loss, showlegend=i == 0, meta={"view": view}, visible=view == "in a batch",
                    line={"color": info.looks[loss][0], "dash": info.looks[loss][1]},
                    marker={"symbol": shapes[loss], "size": 6},
                    hovertemplate=f"{loss}, %{{x}}: %{{y:.3g}}<extra>{sign}</extra>",
                )  # fmt: skip
        return drawn

    def unit(self, info: Info, per: str) -> float:
        """What counts as 1: the largest positive norm of the first loss."""
        return float(np.nanmax(next(iter(info.norms.values()))[f"positive{per}"]))

    def rows(self, info: Info) -> pd.DataFrame | None:
        if not info.norms:
            return None
        return pd.DataFrame([
            {"part": sign, "norm": view, "loss": loss}
            | {group: _short(norms[sign + per][members]) for group, members in info.groups.items()}
            for sign in SIGNS for view, per in VIEWS.items() for loss, norms in info.norms.items()
        ])  # fmt: skip

    def answer(self, info: Info) -> str:
        if not info.norms:
            return "No default has gradient norms yet."
        lines = [_ratio(loss, norms, info.groups) for loss, norms in info.norms.items()]
        said = "\n".join(line for line in lines if line)
        return (
            "Norm of the gradient of a class's part of the loss by all weights, which stay as they are. "
            f"{whose(info.files, info.losses)}" + (f"\n{said}" if said else "")
        )


def _ratio(loss: str, norms: dict[str, np.ndarray], groups: dict[str, list[int]]) -> str:
    """How positives of tail classes pull beside those of head classes, in words."""
    if not {"head", "tail"} <= groups.keys():
        return ""
    batch, entry = (
        float(np.divide(*(nan_mean(norms[f"positive{per}"][groups[name]]) for name in ("tail", "head"))))
        for per in VIEWS.values()
    )
    if not np.isfinite([batch, entry]).all():
        return ""
    return (
        f"{loss}: positives of tail classes pull {batch:.2g} times as hard as those of head classes in a batch, "
        f"{entry:.2g} times an entry."
    )


def _short(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    return f"{known.mean():.3g}" if len(known) else ""
