"""Settings that data sets share."""

from pydantic import Field

from trainables.settings import Settings


class Validation(Settings):
    """Validation rows carved from train, class by class; with `per_seed` each seed draws its own."""

    fraction: float = Field(0.2, gt=0, lt=0.9)
    per_seed: bool = True
