"""What was recorded of a study, from Python: its trials and verdicts as frames, its figures for a notebook."""

from dataclasses import dataclass
from functools import cached_property
from html import escape
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evenkeel.study.errors import UserError
from evenkeel.study.file.locations import Storage
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.records.record import StudyRecord
from evenkeel.study.records.study_folder import StudyFolder

if TYPE_CHECKING:
    import pandas as pd

    from evenkeel.reports.figures.drawing import go
    from evenkeel.reports.sections.base import Section


@dataclass(frozen=True)
class RecordedStudy:
    """What was recorded under `folder`, a folder or URL that fsspec opens. Trials are read once, at first use.

    Raises UserError at once for a folder that is not there or holds no study.
    """

    folder: str

    def __post_init__(self) -> None:
        local = Storage.parse(self.folder).folder
        if local and not local.is_dir():
            raise UserError(f"{self.folder}: no such folder; give the folder of a study's records, as studies/NAME")
        _ = self._study

    @cached_property
    def _study(self) -> StudyRecord:
        return StudyFolder(self._location).require_study()

    @property
    def _location(self) -> str:
        return str(Storage.parse(self.folder))

    @property
    def name(self) -> str:
        """What the study is called."""
        return self._study.name

    @cached_property
    def table(self) -> "pd.DataFrame":
        """One row a trial: `trial_id`, what it is (`loss`, `design`, `seed`, ...), how it ended (`state`, `wall_s` in
        seconds), each hyperparameter as `hp.<name>`, each score as `<split>_<metric>`; what a trial lacks is NaN."""
        from evenkeel.study.records.table import table_from_ledger

        return table_from_ledger(Ledger(self._location, self.name))

    @cached_property
    def _judged(self) -> "pd.DataFrame":
        """What the page shows of the trials: those of complete looks, where seeds go where they decide."""
        from evenkeel.reports.verdict.looks import decided_part

        return decided_part(self.table)

    @cached_property
    def verdicts(self) -> "pd.DataFrame":
        """One row a loss and swept hyperparameter under the study's metric: its `verdict`; the `worst_drop` of a level
        below the default, the ends of its 95% interval (`low`, `high`) and the `margin` in the unit of the metric;
        `seeds_needed` to settle it, missing where unknown; `reasons`. Empty without a finished sweep."""
        from evenkeel.reports.table.trial_table import facts_of
        from evenkeel.reports.verdict.frame import verdict_frame

        return verdict_frame(self._judged, facts_of(self.table).metric)

    def sections(self) -> dict[str, "Section"]:
        """The sections of the report by key; `compute(table, rng)` of one gives its numbers."""
        from evenkeel.reports.page.page import sections

        return {section.key: section for section in sections(self._judged)}

    def figure(self, name: str, metric: str | None = None) -> "go.Figure":
        """The figure of a section (a key of `sections()`), or of a hyperparameter by its name, as the report shows it.

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
        table = with_metric(self._judged, metric or study.metric)
        drawing = section.draw(section.compute(table, np.random.default_rng(0)))
        if drawing is None:
            raise UserError(f"figure {name!r}: this section has nothing to draw")
        return drawing.figure()

    def answer(self) -> str:
        """The sentences of the section on verdicts, as the report begins."""
        section = self.sections()["verdicts"]
        return section.answer(section.compute(self._judged, np.random.default_rng(0)))

    def report(self, path: str | PathLike[str] | None = None) -> Path:
        """Write the page and return its path: `report.html` in the study's folder unless given.

        Raises UserError for a study on an object store without a `path`, and for a place that cannot be written.
        """
        from evenkeel.reports.page.page import write_report

        folder = Storage.parse(self.folder).folder
        if path is None and folder is None:
            raise UserError(f"{self.folder}: the report is written to a local file; give report(path)")
        page = Path(path) if path is not None else Path(f"{folder}/report.html")
        try:
            page.parent.mkdir(parents=True, exist_ok=True)
            write_report(self.table, page)
        except OSError as error:
            raise UserError(f"{page}: cannot be written ({error.strerror}); name another place") from error
        return page

    def _repr_html_(self) -> str:
        """The answer, as a notebook shows it."""
        counts = self.table.state.value_counts().to_dict()
        states = ", ".join(f"{num:,} {state}" for state, num in counts.items())
        sentences = "".join(f"<p>{escape(line)}</p>" for line in self.answer().splitlines() if line)
        rows = "" if self.verdicts.empty else self.verdicts.to_html(index=False, float_format="{:.3f}".format)
        return f"<h4>{escape(self.name)}: {escape(states)}</h4>{sentences}{rows}"


def open(folder: str | PathLike[str]) -> RecordedStudy:
    """The study recorded under a folder (`studies/demo`) or URL: `.table` is its trial frame, `.verdicts` says what is
    steady, `.figure("alpha1")` is a plotly figure, `.report()` writes the page. Reads only; other runs may go on.

    Raises UserError for a folder that is not there or holds no study.
    """
    return RecordedStudy(fspath(folder))
