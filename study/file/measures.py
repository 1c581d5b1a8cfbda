"""What a study measures and is judged by, as its file names it."""

from dataclasses import replace
from typing import Any, Literal

from pydantic import Field, model_serializer, model_validator

from evenkeel.trainables.errors import nearest
from evenkeel.trainables.measures import MEASURES, METRICS, RETURNED, Column, measure
from evenkeel.trainables.measures.own import OwnMeasure
from evenkeel.trainables.settings import Settings

Better = Literal["higher", "lower"]


class MeasureEntry(Settings):
    """A measure of ours, your own function of scores and targets, or a score that a training function returns."""

    name: str = Field(description="of a measure, `file.py:function` of your own, or of a score that is returned")
    better: Better | None = Field(None, description="what is good of a score of your own: `higher` or `lower`")
    title: str | None = Field(None, description="how the report calls it; its name if none")

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _known(self) -> "MeasureEntry":
        if self.name in MEASURES:
            if self.better or self.title:
                raise ValueError(f"{self.name} is a measure of ours; leave better and title out")
        elif ":" in self.name:
            own = OwnMeasure(self.name)
            if own.name in METRICS:
                raise ValueError(f"{self.name}: {own.name!r} is a metric of ours; call the function something else")
            if (self.better or own.better) is None:
                raise ValueError(
                    f"{self.name}: does not say what is good; write {{name: {self.name!r}, better: higher}}, or lower"
                )
        elif self.name in METRICS:
            raise ValueError(f"{self.name!r} is a metric of the measure {METRICS[self.name]!r}; write that, or metric: "
                             f"{self.name}")  # fmt: skip
        elif self.better is None:
            returned = (
                f"of a score that a training function returns say {{name: {self.name}, better: higher}}, or lower"
            )
            raise ValueError(f"unknown measure {self.name!r}; {nearest(self.name, MEASURES)}; {returned}")
        return self

    @model_serializer
    def _as_written(self) -> Any:
        """Its name where nothing else is said."""
        more = {key: value for key, value in {"better": self.better, "title": self.title}.items() if value}
        return {"name": self.name, **more} if more else self.name

    @property
    def is_own(self) -> bool:
        """Whether it is a score of the user's: a function, or returned by one."""
        return self.name not in MEASURES

    @property
    def measure_name(self) -> str:
        """The name under which `trainables.measures.measure` knows it."""
        return self.name if ":" in self.name or not self.is_own else f"{RETURNED}{self.name}"

    def columns(self) -> dict[str, Column]:
        """Its declared columns; of the user's own with what the study says of them."""
        declared = measure(self.measure_name).columns
        if not self.is_own:
            return declared
        own = {name: replace(column, headline=True) for name, column in declared.items()}
        own = {name: replace(column, better=self.better or column.better) for name, column in own.items()}
        return {name: replace(column, title=self.title or column.title) for name, column in own.items()}
