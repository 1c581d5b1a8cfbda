"""Label distribution and scores of each class: counts by hand, and classes of which it is known which drop."""

from dataclasses import replace

import numpy as np
import pytest

from evenkeel.reports.facts import DataFacts
from evenkeel.reports.sections.classes import Classes, DroppingClasses
from evenkeel.reports.sections.labels import LabelDistribution
from evenkeel.reports.table.designs import default_score
from evenkeel.reports.table.trial_table import facts_of, with_facts
from tests.synthetic import study, table

NAMES = ("common", "seldom", "rare")
DATA = DataFacts(
    "known", NAMES, {"train": 900}, {"head": (0,), "medium": (1,), "tail": (2,)},
    positives={"train": (400, 40, 4), "test": (30, 20, 10)},
)  # fmt: skip


def scored(rng):
    """A study in which `rare` loses 0.3 where RAL's gamma_neg is above 10, and nothing else does."""
    facts = replace(study(), data=DATA)

    def add(row):
        lost = 0.3 * (row.loss == "ral" and row.hyperparameters.get("gamma_neg", 0) > 10)
        classes = np.array([0.7, 0.5, 0.4 - lost]) + rng.normal(0, 0.003, 3)
        metrics = row.metrics | {"test_f1": float(classes.mean())}
        return replace(row, classes={"test_f1": classes.tolist()}, metrics=metrics)

    return table(rng, lambda label, setting: 0.5, designs=("sweep",), change=add, facts=facts)


def test_the_imbalance_ratio_is_that_of_the_counts(rng):
    (section,) = LabelDistribution.for_study(scored(rng))
    info = section.compute(scored(rng), rng)
    assert info.ratio == 400 / 4 and section.rows(info)["test positives a class"].tolist() == ["30", "20", "10"]
    assert section.answer(info).endswith("has 400 positives in train, the rarest, rare, 4; imbalance ratio 100.")
    assert not LabelDistribution.for_study(table(rng, lambda label, setting: 0.5))  # of which no counts are known


def test_the_mean_over_classes_is_the_score_of_the_page(rng):
    trials = scored(rng)
    info = Classes().compute(trials, rng)
    assert [c.name for c in info.classes] == list(NAMES)
    for loss in info.losses:
        mean = np.mean([c.scores["f1", loss].value for c in info.classes])
        assert mean == pytest.approx(default_score(trials, loss, "f1").value)


def test_the_class_that_drops_is_named_and_no_other(rng):
    trials = scored(rng)
    info = DroppingClasses().compute(trials, rng)
    lost = {(m.loss, m.name): [info.names[c] for c in m.lost] for m in info.moves if m.lost}
    assert lost == {("ral", "gamma_neg"): ["rare"]}
    (row,) = [
        r
        for r in DroppingClasses().rows(info).to_dict("records")
        if r["loss"] == "ral" and "gamma_neg" in r["hyperparameter"]
    ]
    assert row["most"].startswith("rare -0.") and float(row["tail, mean"]) == pytest.approx(-0.3, abs=0.01)
    assert "ral in gamma_neg (1 of 3: rare)" in DroppingClasses().answer(info)


def test_other_metrics_and_studies_say_nothing_of_classes(rng):
    trials = scored(rng)
    assert DroppingClasses().compute(with_facts(trials, replace(facts_of(trials), metric="map")), rng).moves == []
    assert not Classes.for_study(table(rng, lambda label, setting: 0.5))
