"""What MLflow shows as files: the study file, the plan and the report of the study, a figure of each loss."""

from collections.abc import Iterable
from csv import writer
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from evenkeel.reports.figures.drawing import Drawing
from evenkeel.reports.page.page import write_report
from evenkeel.reports.page.standalone import alone
from evenkeel.reports.sections.overview import Overview
from evenkeel.reports.table.designs import losses_of
from evenkeel.reports.table.trial_table import facts_of, with_facts
from evenkeel.study.records.record import StudyRecord
from evenkeel.study.tracking.tracker import Attach
from evenkeel.trainables import Trial


def write_attachments(
    study: StudyRecord, table: pd.DataFrame, planned: Iterable[Trial], folder: Path, runs: str | None = None
) -> list[Attach]:
    """Written under `folder`, for the study's own run and for those of the losses that a sweep moved.

    `runs` is the address of a trial's run, as the report wants it.
    """
    own = _made(folder / "study")
    (own / "study.yaml").write_text(yaml.safe_dump(study.config, sort_keys=False, allow_unicode=True), encoding="utf-8")
    _write_plan(planned, own / "plan.csv")
    write_report(table, own / "report.html", runs=(runs,))
    figures = {label: drawn for label in losses_of(table) if (drawn := draw_sensitivity(table, label))}
    for number, drawn in enumerate(figures.values()):
        page = alone(drawn, "robustness")
        (_made(folder / str(number)) / "robustness.html").write_text(page, encoding="utf-8")
    return [Attach(own), *(Attach(folder / str(number), label) for number, label in enumerate(figures))]


def draw_sensitivity(table: pd.DataFrame, loss: str) -> Drawing | None:
    """How much a loss loses when its hyperparameters move, a frame a hyperparameter; None when none moved."""
    study = facts_of(table)
    own = with_facts(table[table.loss == loss], replace(study, losses={loss: study.losses[loss]}))
    return Overview().draw(Overview().compute(own, np.random.default_rng(0)))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _write_plan(planned: Iterable[Trial], path: Path) -> None:
    """A row a trial of the designs that are planned ahead; searched trials come as they are proposed."""
    trials = list(planned)
    names = list(dict.fromkeys(name for trial in trials for name in trial.setting))
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = writer(file)
        rows.writerow(["trial_id", "loss", "design", "moved", "seed", *names])
        for trial in trials:
            setting = [trial.setting.get(name) for name in names]
            rows.writerow([trial.id, trial.label, trial.design, trial.moved, trial.seed, *setting])
