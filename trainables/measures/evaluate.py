"""All measures of a pack, in chunks of trials so that ranking needs a bounded amount of memory."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from evenkeel.trainables.measures import ALWAYS, Evidence, Measured, measure

CHUNK_ELEMENTS = 4_000_000


class Numbers(NamedTuple):
    """The measured part of a `Result`: it is made with `**numbers._asdict()`."""

    metrics: dict[str, float | None]
    per_class: dict[str, list[float | None]]
    images: dict[str, list[float]]


def evaluate(evidence: Evidence, names: Sequence[str] = ALWAYS) -> Measured:
    """Every column of the named measures, for all trials of the evidence."""
    parts = [measure(name).compute(chunk) for chunk in _chunks(evidence) for name in names]
    files = {name: path for part in parts for name, path in part.files.items()}
    joined = {name: _joined([getattr(p, name) for p in parts]) for name in ("totals", "per_class", "images")}
    return Measured(files=files, **joined)


def _chunks(evidence: Evidence) -> Iterator[Evidence]:
    size = max(1, CHUNK_ELEMENTS // max(scores[0].numel() for scores in evidence.scores.values()))
    num_trials = len(next(iter(evidence.scores.values())))
    for trials in (slice(start, start + size) for start in range(0, num_trials, size)):
        scores, logits, embeddings, curves = (
            {name: values[trials] for name, values in tensors.items()}
            for tensors in (evidence.scores, evidence.logits, evidence.embeddings, evidence.curves)
        )
        yield replace(evidence, scores=scores, logits=logits, embeddings=embeddings, curves=curves)


def _joined(tables: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    keys = dict.fromkeys(key for table in tables for key in table)
    return {key: torch.cat([table[key] for table in tables if key in table]) for key in keys}


def number(value: Tensor) -> float | None:
    """A scalar as a Python number, or None where undefined."""
    plain = float(value)
    return plain if math.isfinite(plain) else None


def of_trial(measured: Measured, k: int) -> Numbers:
    """What was measured of trial `k`, as a result holds it."""
    return Numbers(
        metrics={name: number(column[k]) for name, column in measured.totals.items()},
        per_class={name: [number(value) for value in column[k]] for name, column in measured.per_class.items()},
        images={name: [round(float(value), 7) for value in column[k]] for name, column in measured.images.items()},
    )
