"""The seeds of a study: a number, a list, or from some up to some, as many as each verdict needs."""

from math import log
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, model_validator

from evenkeel.study.file.ends import make_ends

MIN_SEEDS = 5
"""With fewer the page shows no interval, so that nothing could be decided."""
GROWTH = 1.5
"""Each look has about so many times the seeds of the one before."""
MAX_SEEDS = 10_000
MAX_SEED = 2**32 - 1
"""The largest seed that every generator takes."""

_SeedEnds: Any = make_ends(
    {
        "from": "how many seeds every level of every loss gets",
        "to": "how many a level gets at most, while it keeps a verdict open",
    }
)


class SeedRange(_SeedEnds):
    """Seeds where they decide: more go only to the levels that keep a verdict open."""

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if not MIN_SEEDS <= self.first < self.last <= MAX_SEEDS:
            raise ValueError(
                f"from must be at least {MIN_SEEDS}, to more than that and at most {MAX_SEEDS:,}, got from "
                f"{self.first} to {self.last}; write seeds: {{from: 6, to: 20}}"
            )
        return self

    @property
    def looks(self) -> tuple[int, ...]:
        """The numbers of seeds at which it is decided who gets more: each about half as many again as the last."""
        growth, first = self.last / self.first, self.first
        num_steps = max(1, round(log(growth) / log(GROWTH)))
        return tuple(round(first * growth ** (i / num_steps)) for i in range(num_steps + 1))


def _read(seeds: Any) -> Any:
    """The seeds of a number, a list, or a range. Raises ValueError, pydantic's for a key of a range."""
    if isinstance(seeds, dict | SeedRange):
        return SeedRange.model_validate(seeds)
    num = seeds if type(seeds) is int else len(seeds) if isinstance(seeds, list) else 0
    if num > MAX_SEEDS:
        raise ValueError(f"at most {MAX_SEEDS:,} seeds, got {num:,}")
    listed = list(range(seeds)) if type(seeds) is int else seeds
    if not isinstance(listed, list) or not listed or not all(type(seed) is int for seed in listed):
        raise ValueError(f"must be a number of seeds, or a list of whole numbers, got {seeds!r}; write seeds: 6")
    if len(set(listed)) < len(listed) or not 0 <= min(listed) <= max(listed) <= MAX_SEED:
        raise ValueError(f"must be different numbers from 0 to {MAX_SEED}, got {seeds}")
    return listed


Seeds = Annotated[list[int] | SeedRange, BeforeValidator(_read, json_schema_input_type=int | list[int] | SeedRange)]


def list_seeds(seeds: Any) -> list[int]:
    """Every seed that a study may use, from what its file says of them, or from what was stored of it as JSON."""
    if isinstance(seeds, list):
        return seeds
    return list(range(seeds["to"] if isinstance(seeds, dict) else seeds.last))


def first_seeds(seeds: list[int] | SeedRange) -> list[int]:
    """Those that every level of every loss gets."""
    return seeds if isinstance(seeds, list) else list(range(seeds.first))
