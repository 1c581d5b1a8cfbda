"""Settings of a trainable that hears what the study varies: the base of all of ours."""

from typing import Annotated

from pydantic import AfterValidator, Field

from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.data.settings import ClassGroups
from evenkeel.trainables.seeds import SOURCES, USUAL, Seeds, Source, in_order
from evenkeel.trainables.settings import SWITCH


class Varied(ClassGroups):
    """`vary` comes from the study file, where it is a key of the study."""

    vary: Annotated[list[Source] | None, SWITCH, AfterValidator(in_order)] = Field(
        None, description="never given here: `vary` of the study"
    )

    def seeds(self, seed: int) -> Seeds:
        """The seed of each source for a trial of `seed`."""
        return Seeds.of(self.vary, seed)

    def fixed(self, data: DataSet) -> dict[Source, str]:
        """The sources that no seed can vary here, each with the reason and the way out."""
        if data.validation is None:
            return {"split": f"{data.name} has a fixed validation split"}
        if not data.validation.per_seed:
            return {"split": "data.validation.per_seed is false; switch it on"}
        return {}

    def varies(self, data: DataSet) -> tuple[Source, ...]:
        """The sources that do differ from seed to seed."""
        wanted, fixed = USUAL if self.vary is None else self.vary, self.fixed(data)
        return tuple(source for source in SOURCES if source in wanted and source not in fixed)
