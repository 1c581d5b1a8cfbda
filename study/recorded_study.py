"""A study's folder from Python: its trials as a frame, its figures for a notebook."""

from dataclasses import dataclass
from functools import cached_property
from os import PathLike, fspath
from typing import TYPE_CHECKING

import numpy as np

from evenkeel.study.errors import UserError
from evenkeel.study.records.ledger import Ledger

if TYPE_CHECKING:
    import pandas as pd

    from evenkeel.reports.figures.drawing import go
    from evenkeel.reports.sections.base import Section


@dataclass(frozen=True)
class RecordedStudy:
    """What was recorded under `folder`, a folder or URL that fsspec opens. Read once, at first use."""

    folder: str

    @cached_property
    def table(self) -> "pd.DataFrame":
        """One row a trial: identity, `hp.<name>`, `<split>_<metric>`. Raises UserError for a folder without a study."""
        from evenkeel.study.records.table import table_from_ledger

        study = Ledger(self.folder, "").read_study()
        return table_from_ledger(Ledger(self.folder, study.name if study else ""))

    def sections(self) -> dict[str, "Section"]:
        """The sections of the report by key; `compute(table, rng)` of one gives its numbers."""
        from evenkeel.reports.page.page import sections

        return {section.key: section for section in sections(self.table)}

    def figure(self, name: str, metric: str | None = None) -> "go.Figure":
        """The figure of a section, or of a hyperparameter by its name, as the report shows it.

        `metric` is the study's own unless given. Raises UserError for an unknown name or metric, or nothing to draw.
        """
        from evenkeel.reports.table.designs import with_metric
        from evenkeel.reports.table.trial_table import facts_of

        by_key, study = self.sections(), facts_of(self.table)
        section = by_key.get(name) or by_key.get(f"sensitivity-{name}")
        if section is None:
            valid = ", ".join(key.removeprefix("sensitivity-") for key in by_key)
            raise UserError(f"figure {name!r}: unknown here; one of {valid}")
        if metric and metric not in study.headlines:
            raise UserError(f"metric {metric!r}: unknown here; one of {', '.join(study.headlines)}")
        table = with_metric(self.table, metric or study.metric)
        drawn = section.draw(section.compute(table, np.random.default_rng(0)))
        if drawn is None:
            raise UserError(f"figure {name!r}: this section has nothing to draw")
        return drawn.figure()


def open(folder: str | PathLike[str]) -> RecordedStudy:
    """The study recorded under a folder or URL: `.table` is its trial frame, `.figure("alpha1")` a plotly figure."""
    return RecordedStudy(fspath(folder))
