"""Several studies in one page."""

from dataclasses import replace

import pytest

from evenkeel.reports.page.comparison import SameVerdict, SideBySide, by_name, together
from evenkeel.reports.page.page import render
from evenkeel.reports.table.trial_table import facts_of
from tests.synthetic import study, table
from tests.test_sections import flat, sharp


@pytest.fixture
def tables(rng):
    return table(rng, sharp), table(rng, flat, facts=replace(study(), name="other"))


def test_verdicts_of_all_studies_stand_side_by_side(tables, rng):
    section = SameVerdict(by_name(tables))
    info = section.compute(together(by_name(tables)), rng)
    answer = section.answer(info)
    assert answer.startswith("Of 5 that are judged in every study, 4 steady in every study and 0 sensitive in every")
    assert "They surely differ for ral in gamma_neg (" in answer
    assert list(section.rows(info).columns) == ["loss", "hyperparameter", "synthetic", "other"]


def test_frames_of_a_hyperparameter_are_neighbours_on_one_scale(tables, rng):
    section = SideBySide(studies=by_name(tables))
    info = section.compute(together(by_name(tables)), rng)
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
        together(by_name(tables))


def test_what_differs_between_studies_is_said_of_each(tables, rng):
    """Seeds, margins, data, fixed values and what seeds vary: nothing of the first study is told of all."""
    facts = facts_of(tables[1])
    other = replace(
        facts,
        seeds=facts.seeds[:5],
        margins=dict.fromkeys(facts.margins, 0.02),
        data=replace(
            facts.data, name="others", rows={"train": 777}, undefined={"test": ("a",)}, positives={"val": (3, 40)}
        ),
        varied=("init",),
        losses=facts.losses | {"apl": replace(facts.losses["apl"], fixed={"focusing": "held"})},
    )
    tables[1].attrs["study"] = other
    studies = by_name(tables)
    whole = facts_of(together(studies))
    assert whole.seeds == () and not whole.margins and whole.data.name == "none, others"
    info = SideBySide(studies=studies).compute(together(studies), rng)
    of_frame = dict(zip(info.frames, info.margins, strict=True))
    assert of_frame["synthetic: clip"] == 0.01 and of_frame["other: clip"] == 0.02
    stripes = [s["y1"] for s in SideBySide(studies=studies).draw(info).layout["shapes"] if s["type"] == "rect"]
    assert stripes == info.margins
    assert "The stripe marks the margin (0.01 and 0.02)." in SideBySide(studies=studies).answer(info)
    assert SideBySide(studies=studies).answer(info).endswith("(another loss, default or fixed value): apl.")
    page = render(*tables)
    assert "none: 2 classes, 5 train" in page and "others: 2 classes, 777 train" in page
    assert "6 seeds; margin" in page and "5 seeds; margin f1 0.02" in page and "fixed before the run" not in page
    assert "no positive in other: test" in page and "other: a" in page and "other: apl (focusing held)" in page
    assert "<p>other: What differs from seed to seed: initial weights." in page


@pytest.mark.parametrize(("num", "columns"), [(2, 4), (3, 3), (4, 4), (5, 4)])
def test_a_row_holds_whole_hyperparameters(num, columns, tables, rng):
    studies = by_name([tables[0]] * num)
    info = SideBySide(studies=studies).compute(together(studies), rng)
    assert info.columns == columns
    assert max(SideBySide(studies=studies).draw(info).layout["meta"]["arrangements"]) == columns
