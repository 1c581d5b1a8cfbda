"""Several studies in one page."""

from dataclasses import replace

import pytest

from reports.comparison import SameVerdict, SideBySide, together
from reports.page import render
from reports.table import facts_of
from tests.synthetic import study, table
from tests.test_sections import flat, sharp


@pytest.fixture
def tables(rng):
    return table(rng, sharp), table(rng, flat, facts=replace(study(), name="other"))


def test_verdicts_of_all_studies_stand_side_by_side(tables, rng):
    section = SameVerdict(tables)
    info = section.compute(together([*tables]), rng)
    assert section.answer(info) == "4 of 5 verdicts are the same in every study. They differ for ral in gamma_neg."
    assert list(section.rows(info).columns) == ["loss", "hyperparameter", "synthetic", "other"]


def test_frames_of_a_hyperparameter_are_neighbours_on_one_scale(tables, rng):
    section = SideBySide(tables)
    info = section.compute(together([*tables]), rng)
    assert info.frames[:2] == ["synthetic: clip", "other: clip"] and len(info.frames) == 6
    drawn = section.draw(info).figure()
    assert all(axis.matches == "y" for axis in drawn.select_yaxes() if axis is not drawn.layout.yaxis)


def test_a_comparison_renders_with_all_trials_and_the_same_name_twice(tables):
    page = render(tables[0], tables[0], tables[1])
    assert "synthetic (1) · synthetic (2) · other" in page


def test_studies_without_a_metric_in_common_are_refused(tables):
    lonely = replace(facts_of(tables[1]), measures={})
    tables[1].attrs["study"] = lonely
    with pytest.raises(ValueError, match="no metric in common"):
        together([*tables])
