"""What one worker gets."""

from typing import Annotated, Literal

from pydantic import Field

from evenkeel.trainables.settings import Settings


class Resources(Settings):
    """What one worker gets, and how many trials it trains at once."""

    workers: int | None = Field(
        None, ge=1, le=100_000, description="as many as the machine or cluster has room for when left out"
    )
    cpus: float = Field(1, gt=0, le=10_000, description="cores a worker")
    gpus: float = Field(0, ge=0, le=1000, description="GPUs a worker; a fraction shares one")
    custom: dict[Annotated[str, Field(min_length=1)], Annotated[float, Field(ge=0, le=1_000_000)]] = Field(
        {}, description="custom resources of the cluster's nodes, for example {a100: 1}"
    )
    device: Literal["cpu", "cuda"] | None = Field(None, description="where to compute; by gpus when left out")
    pack_size: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="trials trained at once, at most; what the first packs take decides when left out",
    )
    memory_gib: float | None = Field(None, gt=0, le=1_000_000, description="memory a worker may use for a pack")
    trial_limit: float | None = Field(
        None,
        gt=0,
        le=10_000_000,
        description="seconds that a trial may take; a pack may take so many for each of its trials",
    )
    retries: int = Field(1, ge=0, le=1000, description="how often a failed trial is tried again before it is recorded")
