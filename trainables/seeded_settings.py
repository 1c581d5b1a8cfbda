"""Settings of a trainable whose sources of variation follow what the study varies: the base of all of ours."""

import sys
from importlib import import_module
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from evenkeel.trainables.base import Worker
from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.data.settings import ClassGroups, without_validation
from evenkeel.trainables.measures import ALWAYS
from evenkeel.trainables.recipe import Recipe
from evenkeel.trainables.seeds import SOURCES, USUAL, Seeds, Source, in_order, part_of_parts
from evenkeel.trainables.settings import SWITCH


class SeededSettings(ClassGroups):
    """`vary` comes from the study file, where it is a key of the study."""

    worker_class: ClassVar[str]
    """The half that computes, as `module:Class`, the module beside that of the settings (`train:ProbeWorker`)."""
    epoch_score: ClassVar[str | None] = None
    """The validation score that a trial reports each epoch, where it may be stopped by it."""

    vary: Annotated[list[Source] | None, SWITCH, AfterValidator(in_order)] = Field(
        None, description="never given here: `vary` of the study"
    )
    train_part: Annotated[tuple[int, int] | None, SWITCH, AfterValidator(part_of_parts)] = Field(
        None, description="[j, k]: train on the j-th of k disjoint parts of the train rows alone, from 0 on"
    )

    def seeds(self, seed: int) -> Seeds:
        """The seed of each source for a trial of `seed`."""
        return Seeds.of(self.vary, seed)

    def fixed(self, data: DataSet) -> dict[Source, str]:
        """The sources that no seed can vary on `data`, each with the reason and the way out."""
        if data.validation is None:
            return {"split": f"{data.name} has a fixed validation split"}
        if without_validation(data.validation):
            return {"split": "data.validation is none, so that all rows train"}
        if not data.validation.per_seed:
            return {"split": "data.validation.per_seed is false; switch it on"}
        return {}

    def varies(self, data: DataSet) -> tuple[Source, ...]:
        """The sources that do differ from seed to seed on `data`."""
        chosen, fixed = USUAL if self.vary is None else self.vary, self.fixed(data)
        return tuple(source for source in SOURCES if source in chosen and source not in fixed)

    def recipe(self) -> Recipe:
        """What a paper would print of these settings; a trainable that says nothing stands beside no paper."""
        return Recipe()

    def worker(self, measures: tuple[str, ...] = ALWAYS) -> Worker[Any]:
        """The half that computes, which takes these `measures` of each trial; imports torch now and not before."""
        owner = next(kind for kind in type(self).__mro__ if "worker_class" in vars(kind))
        module, _, name = self.worker_class.partition(":")
        package = sys.modules[owner.__module__].__package__
        return getattr(import_module(f"{package}.{module}" if package else module), name)(self, measures)
