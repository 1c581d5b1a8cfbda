"""Scrambled Sobol points that all losses share where they share a hyperparameter."""

import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.stats import qmc

from evenkeel.search_spaces.space import Space


def shared_axes(spaces: Iterable[Space]) -> list[str]:
    """The union of hyperparameter names, in a fixed order: the axes of the common point set."""
    return sorted({name for space in spaces for name in space.parameters})


def sobol_points(space: Space, axes: list[str], *, m: int, seed: int) -> list[dict[str, Any]]:
    """2^m settings of `space`; axis j of the unit cube belongs to the same name in every loss.

    Losses with different ranges of a hyperparameter share the relative position in the range. One scramble serves
    all losses of a study (`axes`: the union of their names); projections of a Sobol set onto some axes keep its
    balance. A space without hyperparameters has one setting.
    """
    if not space.parameters:
        return [{}]
    sampler = qmc.Sobol(d=len(axes), scramble=True, rng=np.random.default_rng([seed, _stream("sobol")]))
    unit = sampler.random_base2(m)
    return [{name: _plain(p.at(float(row[axes.index(name)]))) for name, p in space.parameters.items()} for row in unit]


def _stream(name: str) -> int:
    return zlib.crc32(name.encode())


def _plain(value: object) -> Any:
    return float(f"{value:.9g}") if isinstance(value, float) else value
