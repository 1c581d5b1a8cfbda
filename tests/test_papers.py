"""Printed values beside ours: the right ones, only where the study repeats them, with what differs in words."""

from dataclasses import replace

import numpy as np
import pytest

from reports.papers.printed import Printed, items
from reports.table import facts_of, with_facts
from tests.synthetic import table
from tests.test_sections import sharp
from trainables.losses import LOSSES


def test_every_printed_loss_and_hyperparameter_exists():
    for item in items():
        assert {row.loss for row in item.rows} <= set(LOSSES), item.key
        assert item.moved is None or all(item.moved in LOSSES[row.loss].__dataclass_fields__ for row in item.rows)
        assert all(0 < value < 1 for row in item.rows for value in row.values.values()), item.key
    assert len({item.key for item in items()}) == len(items())


def test_fig_6b_stands_beside_the_sweep_of_its_hyperparameter(rng):
    trials = table(rng, sharp, noise=0.0)
    found = {section.key: section for section in Printed.of(trials)}
    assert set(found) == {"ral-figure-6b"}  # Table 3 needs three of its losses
    info = found["ral-figure-6b"].compute(trials, rng)
    best = next(p for p in info.pairs if p.row.level == 1.5 and p.measure == "f1")
    assert best.printed == 0.249 and best.ours.value == pytest.approx(0.5 + 0.02 * np.mean(np.sin(range(6))))
    assert "The data differ (cxr-lt there, none here)" in found["ral-figure-6b"].answer(info)


def test_a_table_of_one_data_set_is_shown_there_alone(rng):
    trials, study = table(rng, sharp), facts_of(table(rng, sharp))
    losses = {"asl": replace(study.losses["apl"], loss="asl"), "bal": replace(study.losses["ral"], loss="bal-eq4")}
    named = trials.assign(loss=trials.loss.replace({"apl": "asl", "ral": "bal"}))[trials.loss != "bce"]

    def keys(data):
        return [s.key for s in Printed.of(with_facts(named, replace(study, losses=losses, data=data)))]

    assert keys(study.data) == []
    assert "lm-clip-table-5-voc-mlt" in keys(replace(study.data, name="voc-mlt"))
