"""Printed values beside ours: the right ones, only where the study repeats them, with what differs in words."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evenkeel.reports.facts import ParameterFacts
from evenkeel.reports.page.page import render
from evenkeel.reports.papers.figures_of_papers import FiguresOfPapers, printed_figures
from evenkeel.reports.papers.numbers_of_papers import NumbersOfPapers, printed_items
from evenkeel.reports.table.trial_table import facts_of, trial_table, with_facts
from evenkeel.search_spaces import SPACES
from evenkeel.study.records.facts import declare_measures
from evenkeel.trainables.losses import LOSSES
from evenkeel.trainables.measures import MEASURES
from tests.synthetic import row, study, table
from tests.test_sections import sharp


def test_every_printed_loss_and_hyperparameter_exists():
    for item in printed_items():
        assert {row.loss for row in item.rows} <= set(LOSSES), item.key
        assert item.moved is None or all(item.moved in LOSSES[row.loss].__dataclass_fields__ for row in item.rows)
        assert all(0 < value < 1 for row in item.rows for value in row.values.values()), item.key
    assert len({one.key for one in (*printed_items(), *printed_figures())}) == len(printed_items()) + len(
        printed_figures()
    )


def test_every_printed_score_and_picture_is_of_a_column_that_a_trial_can_have():
    """A name that nothing writes would leave its section out in silence."""
    columns = {
        f"{split}_{'_'.join(filter(None, (name, part)))}"
        for name, of in declare_measures(MEASURES).items()
        for split in of.splits
        for part in ("", *of.parts)
    }
    for item in printed_items():
        assert {f"test_{name}" for row in item.rows for name in row.values} <= columns, item.key
    for picture in printed_figures():
        assert set(picture.losses) <= set(LOSSES)
        assert picture.moved is None or all(picture.moved in SPACES[loss].parameters for loss in picture.losses)
        suffixes = [""] if picture.moved else ["_head", "_medium", "_tail"]
        wanted = {f"{picture.split}_{name}{suffix}" for name in picture.measures for suffix in suffixes}
        assert wanted <= columns, picture.key


def test_fig_6b_stands_beside_the_sweep_of_its_hyperparameter(rng):
    trials = table(rng, sharp, noise=0.0)
    found = {section.key: section for section in NumbersOfPapers.for_study(trials)}
    assert set(found) == {"ral-figure-6b"}  # Table 3 needs three of its losses
    info = found["ral-figure-6b"].compute(trials, rng)
    best = next(p for p in info.pairs if p.row.level == 1.5 and p.measure == "f1")
    assert best.printed == 0.249 and best.ours.value == pytest.approx(0.5 + 0.02 * np.mean(np.sin(range(6))))
    assert "The data differ (cxr-lt there, none here)" in found["ral-figure-6b"].answer(info)


def test_each_form_of_a_loss_stands_beside_the_printed_values(rng):
    """Of two labels of one printed loss (two forms, two settings) none hides the other."""
    facts = study()
    facts = replace(facts, losses=facts.losses | {"ral-eq6": replace(facts.losses["ral"], loss="ral-eq6")})
    trials = table(rng, sharp)
    again = trials[trials.loss == "ral"].assign(loss="ral-eq6", test_f1=0.25)
    again["trial_id"] = "again" + again.trial_id
    both = with_facts(pd.concat([trials, again], ignore_index=True), facts)
    found = next(section for section in NumbersOfPapers.for_study(both) if section.key == "ral-figure-6b")
    at = {p.label: p.ours.value for p in found.compute(both, rng).pairs if p.row.level == 1.5 and p.measure == "f1"}
    assert list(at) == ["ral", "ral-eq6"] and at["ral"] > 0.4 and at["ral-eq6"] == 0.25


def test_a_table_of_one_data_set_is_shown_there_alone(rng):
    trials, study = table(rng, sharp), facts_of(table(rng, sharp))
    losses = {"asl": replace(study.losses["apl"], loss="asl"), "bal": replace(study.losses["ral"], loss="bal-eq4")}
    named = trials.assign(loss=trials.loss.replace({"apl": "asl", "ral": "bal"}))[trials.loss != "bce"]

    def keys(data):
        return [s.key for s in NumbersOfPapers.for_study(with_facts(named, replace(study, losses=losses, data=data)))]

    assert keys(study.data) == []
    assert "lm-clip-table-5-voc-mlt" in keys(replace(study.data, name="voc-mlt"))


def test_table_8_is_shown_where_images_were_changed(rng):
    facts = study(measures=declare_measures(("headline", "noise")))
    losses = facts.losses | {"apl": replace(facts.losses["apl"], loss="asl")}
    shown = NumbersOfPapers.for_study(with_facts(table(rng, sharp, facts=facts), replace(facts, losses=losses)))
    found = next(section for section in shown if section.key == "ral-table-8")
    pairs = found.compute(table(rng, sharp, facts=facts), rng).pairs
    assert {pair.printed for pair in pairs if pair.measure == "noise_mauc_speckle_05" and pair.label == "ral"} == {
        0.534
    }
    assert "ral-table-8" not in {section.key for section in NumbersOfPapers.for_study(table(rng, sharp))}


class TestPictures:
    @staticmethod
    def swept(name, truth):
        """APL and RAL with one hyperparameter, at four levels and six seeds."""
        space = {name: ParameterFacts(kind="float", **vars(SPACES["ral"].parameters[name]))}
        of, labels, levels = study().losses, ("apl", "ral"), sorted({space[name].default, 0.5, 2.0, 3.0})
        facts = study(losses={x: replace(of[x], space=space, defaults={name: space[name].default}) for x in labels})
        trials = [(label, seed, level) for label in labels for seed in facts.seeds for level in levels]
        rows = [
            row(number, label, "sweep", seed, {name: level}, truth(label, level), facts=facts)
            for number, (label, seed, level) in enumerate(trials)
        ]
        return trial_table(rows, facts), levels

    def test_figure_4_in_words_beside_our_curve(self, rng):
        slope = {"apl": 0.1, "ral": 0.02}
        trials, levels = self.swept("alpha1", lambda label, at: 0.5 - slope[label] * abs(at - 2))
        (section,) = FiguresOfPapers.for_study(trials)
        info, far = section.compute(trials, rng), max(abs(level - 2) for level in levels)
        assert section.key == "ral-figure-4-alpha1"
        for line in info.lines:
            assert line.differences == pytest.approx([-slope[line.label] * abs(level - 2) for level in levels])
        answer = section.answer(info)
        assert f"difference from the best level is apl -{0.1 * far:.3f}, ral -{0.02 * far:.3f}" in answer
        assert "without numbers" in answer and "RAL paper, Fig. 4 (α₁)" in render(trials)

    def test_figure_6a_counts_the_levels_at_which_ral_lies_above(self, rng):
        truth = lambda label, at: 0.6 if label == "ral" and at > 1 else 0.5 + 0.01 * (label == "apl")  # noqa: E731
        trials, levels = self.swept("beta1", truth)
        section = next(s for s in FiguresOfPapers.for_study(trials) if s.key == "ral-figure-6a")
        answer, above = section.answer(section.compute(trials, rng)), sum(level > 1 for level in levels)
        assert f"Here ral lies above apl at {above} of {len(levels)} levels." in answer

    def test_classes_are_shown_by_group_at_the_default(self, rng):
        facts = study(measures=declare_measures(("headline", "precision-recall")))
        trials = table(rng, lambda label, _: 0.4, noise=0.0, facts=facts)
        losses = facts.losses | {"ral": replace(facts.losses["ral"], loss="bal-eq4")}
        trials = with_facts(trials.assign(test_recall_tail=2 * trials.test_recall_head), replace(facts, losses=losses))
        (section,) = FiguresOfPapers.for_study(trials)
        info = section.compute(trials, rng)
        assert section.key == "lm-clip-figure-6" and {line.label for line in info.lines} == {"ral"}
        assert "ral precision 1.00, ral recall 2.00" in section.answer(info)

    def test_what_was_not_measured_is_not_shown(self, rng):
        assert FiguresOfPapers.for_study(table(rng, sharp)) == []
