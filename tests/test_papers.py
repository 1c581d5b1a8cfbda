"""Printed values beside ours: only where a study repeats the printed recipe, for all presets by a hand-made list."""

from dataclasses import replace

import numpy as np
import pytest

from evenkeel.reports.facts import ParameterFacts, RecipeFacts
from evenkeel.reports.page.page import render
from evenkeel.reports.papers.figures_of_papers import FiguresOfPapers, printed_figures
from evenkeel.reports.papers.numbers_of_papers import NumbersOfPapers, printed_items
from evenkeel.reports.table.trial_table import facts_of, trial_table, with_facts
from evenkeel.search_spaces import SPACES
from evenkeel.study.file.read import PRESETS, load_study
from evenkeel.study.records.facts import declare_measures, make_study_facts
from evenkeel.trainables.data.split_facts import SplitFacts
from evenkeel.trainables.losses import LOSSES
from evenkeel.trainables.measures import MEASURES
from tests.synthetic import as_printed, row, study, table
from tests.test_sections import sharp

RAL_CXR_LT = [
    ("ral-table-3", "bce", "384 pixels"),
    ("ral-table-3", "focal", "384 pixels"),
    ("ral-table-3", "asl", "384 pixels"),
    ("ral-table-3", "ral", "384 pixels"),
    ("ral-table-6", "focal", "focal"),
    ("ral-table-6", "asl", "focal + asymmetric"),
    ("ral-table-6", "ral", "focal + asymmetric + Hill"),
]
NOISE = [("ral-table-8", "bce", "BCE"), ("ral-table-8", "asl", "ASL"), ("ral-table-8", "ral", "RAL")]
LEVELS = [("ral-figure-6b", "ral", f"λ {level}") for level in ("1.0", "1.5", "2.0", "3.0", "3.5", "4.0", "4.5")]
SOFTMAX = [
    ("ce", "CE"), ("focal-softmax", "Focal loss"), ("ldam", "LDAM"), ("asl-softmax", "ASL"), ("ral-softmax", "RAL"),
]  # fmt: skip
PROMPTS = [
    ("bce", "BCE"), ("focal", "Focal Loss"), ("cb", "CB Loss"), ("r-bce-focal", "R-BCE-Focal"), ("asl", "ASL"),
    ("db", "DB Focal"), ("bal", "BAL"),
]  # fmt: skip
MAY_STAND_BESIDE = {
    "ral-cxr-lt": RAL_CXR_LT + NOISE + LEVELS,
    "ral-isic2018": [("ral-table-5-isic2018", *pair) for pair in SOFTMAX],
    "ral-aptos2019": [("ral-table-5-aptos2019", *pair) for pair in SOFTMAX],
    **{f"lmpt-{data}": [(f"lm-clip-table-5-{data}", *pair) for pair in PROMPTS] for data in ("voc-mlt", "coco-mlt")},
    **{
        f"lm-clip-{data}-{encoder}{form}": [(f"lm-clip-table-1-{data}", "bal", f"{printed}, LM-CLIP")]
        + [(f"lm-clip-table-2-{data}", "bal", "all (LM-CLIP)"), (f"lm-clip-table-4-{data}", "bal", "LM-CLIP")]
        * (encoder == "vitb16")
        for data in ("voc-mlt", "coco-mlt")
        for encoder, printed in (("rn50", "RN-50"), ("vitb16", "ViT-B/16"), ("vitl14", "ViT-L/14"))
        for form in ("", "-published")
    },
}
"""Preset -> what its losses may stand beside: printed table or figure, label, row. Made by hand from the papers:
trainable, backbone, image size, contrastive part and data must be those of the row. Presets not named: nothing."""


def preset_table(name, *, levels=()):
    """A study of a preset with a trial at each loss's default, and at `levels` of RAL's lambda, every metric scored."""
    config = load_study(name)
    facts = make_study_facts(config, SplitFacts(name=config.data.name, rows={"train": 9, "val": 9, "test": 9}), {})
    settings = [(label, loss.defaults) for label, loss in facts.losses.items()]
    rows = [
        row(number, label, "sweep", facts.seeds[0], setting, 0.5, facts=facts)
        for number, (label, setting) in enumerate(
            settings
            + [
                (label, loss.defaults | {"hill_lambda": level})
                for label, loss in facts.losses.items()
                for level in levels
                if "hill_lambda" in loss.space and level != loss.defaults["hill_lambda"]
            ]
        )
    ]
    return trial_table(rows, facts)


@pytest.mark.parametrize("preset", sorted(p.stem for p in PRESETS.glob("*.yaml")))
def test_a_preset_stands_beside_what_the_hand_made_list_names(preset, rng):
    trials = preset_table(preset, levels=(1.0, 1.5, 2.0, 3.0, 3.5, 4.0, 4.5))
    pairs = {
        (section.key, pair.label, pair.row.variant)
        for section in NumbersOfPapers.for_study(trials)
        for pair in section.compute(trials, rng).pairs
        if np.isfinite(pair.ours.value)
    }
    assert pairs == set(MAY_STAND_BESIDE.get(preset, []))


def test_a_study_that_repeats_nothing_has_no_section_of_papers(rng):
    for trials in (table(rng, sharp), preset_table("demo"), preset_table("nih-cxr14")):
        assert NumbersOfPapers.for_study(trials) == [] and FiguresOfPapers.for_study(trials) == []


@pytest.mark.parametrize(
    "change",
    [
        {"trainable": "probe"},
        {"backbone": "convnext_small"},
        {"image_size": 32},
        {"trainable": "", "backbone": "", "image_size": 0},
    ],
)
def test_another_recipe_is_not_shown(change):
    trials = preset_table("ral-cxr-lt")
    facts = facts_of(trials)
    losses = {label: replace(loss, recipe=replace(loss.recipe, **change)) for label, loss in facts.losses.items()}
    sections = NumbersOfPapers.for_study(with_facts(trials, replace(facts, losses=losses)))
    assert {s.key for s in sections} & {"ral-table-3", "ral-table-6"} == set()


def test_other_data_are_not_shown():
    trials = preset_table("ral-cxr-lt")
    facts = facts_of(trials)
    other = with_facts(trials, replace(facts, data=replace(facts.data, name="csv")))
    assert NumbersOfPapers.for_study(other) == [] and FiguresOfPapers.for_study(other) == []


def test_the_contrastive_part_decides_which_row_of_the_ablation_is_meant(rng):
    trials = preset_table("lm-clip-voc-mlt-vitb16")
    facts = facts_of(trials)
    for contrastive, variant in ((True, "all (LM-CLIP)"), (False, "ASL + smoothing + loss weights (= BAL)")):
        recipe = replace(facts.losses["bal"].recipe, contrastive=contrastive, sampling=contrastive)
        changed = with_facts(trials, replace(facts, losses={"bal": replace(facts.losses["bal"], recipe=recipe)}))
        section = next(s for s in NumbersOfPapers.for_study(changed) if s.key == "lm-clip-table-2-voc-mlt")
        assert {pair.row.variant for pair in section.compute(changed, rng).pairs} == {variant}


@pytest.mark.parametrize(("data", "num_classes"), [("voc-mlt", (6, 6, 8)), ("coco-mlt", (22, 33, 25))])
def test_printed_means_by_head_medium_and_tail_give_the_printed_total(data, num_classes):
    """LM-CLIP Table 4 was read from a text with garbled headings: its columns are in order if their means agree.

    They do within 1e-4 but for LM-CLIP on VOC-MLT, where the printed total of one label is 2e-4 below them.
    """
    item = next(item for item in printed_items() if item.key == f"lm-clip-table-4-{data}")
    for printed in item.rows:
        for name in ("map_multi", "map_single_all"):
            groups = [printed.values[f"{name}_{group}"] for group in ("head", "medium", "tail")]
            assert np.average(groups, weights=num_classes) == pytest.approx(printed.values[name], abs=3e-4)


def test_every_printed_loss_and_hyperparameter_exists():
    for item in printed_items():
        assert {row.loss for row in item.rows} <= set(LOSSES), item.key
        assert item.moved is None or all(item.moved in LOSSES[row.loss].__dataclass_fields__ for row in item.rows)
        assert all(0 < value < 1 for row in item.rows for value in row.values.values()), item.key
        assert all(row.uses.keys() <= SPACES[row.loss].defaults().keys() for row in item.rows), item.key
        assert all((item.setup | row.setup).keys() <= vars(RecipeFacts()).keys() for row in item.rows), item.key
        assert item.setup or all(row.setup for row in item.rows), f"{item.key} would stand beside any recipe"
    keys = [entry.key for entry in (*printed_items(), *printed_figures())]
    assert len(set(keys)) == len(keys)


def test_every_printed_score_and_figure_is_of_a_column_that_a_trial_can_have():
    """A name that nothing writes would leave its section out in silence."""
    columns = {
        f"{split}_{'_'.join(filter(None, (name, part)))}"
        for name, measure in declare_measures(MEASURES).items()
        for split in measure.splits
        for part in ("", *measure.parts)
    }
    for item in printed_items():
        assert {f"test_{name}" for row in item.rows for name in row.values} <= columns, item.key
    for figure in printed_figures():
        assert set(figure.losses) <= set(LOSSES)
        assert figure.moved is None or all(figure.moved in SPACES[loss].parameters for loss in figure.losses)
        suffixes = [""] if figure.moved else ["_head", "_medium", "_tail"]
        assert {f"{figure.split}_{name}{suffix}" for name in figure.measures for suffix in suffixes} <= columns


def test_fig_6b_stands_beside_the_sweep_of_its_hyperparameter(rng):
    """Two forms of one printed loss both stand there: none hides the other."""
    facts = as_printed(study())
    facts = replace(facts, losses=facts.losses | {"ral-eq6": replace(facts.losses["ral"], loss="ral-eq6")})
    trials = with_facts(table(rng, sharp, noise=0.0), facts)
    section = next(s for s in NumbersOfPapers.for_study(trials) if s.key == "ral-figure-6b")
    info = section.compute(trials, rng)
    best = next(p for p in info.pairs if p.row.level == 1.5 and p.measure == "f1" and p.label == "ral")
    assert best.printed == 0.249 and best.ours.value == pytest.approx(0.5 + 0.02 * np.mean(np.sin(range(6))))
    assert {pair.label for pair in info.pairs} == {"ral", "ral-eq6"}
    assert "Repeats the printed recipe on cxr-lt" in section.answer(info)


class TestFigures:
    @staticmethod
    def swept(name, truth):
        """APL and RAL with one hyperparameter, at four levels and six seeds."""
        space = {name: ParameterFacts(kind="float", **vars(SPACES["ral"].parameters[name]))}
        losses, labels, levels = study().losses, ("apl", "ral"), sorted({space[name].default, 0.5, 2.0, 3.0})
        facts = as_printed(
            study(losses={x: replace(losses[x], space=space, defaults={name: space[name].default}) for x in labels})
        )
        trials = [(label, seed, level) for label in labels for seed in facts.seeds for level in levels]
        rows = [
            row(number, label, "sweep", seed, {name: level}, truth(label, level), facts=facts)
            for number, (label, seed, level) in enumerate(trials)
        ]
        return trial_table(rows, facts), levels

    def test_figure_4_in_words_beside_our_curve(self, rng):
        slope = {"apl": 0.1, "ral": 0.02}
        trials, levels = self.swept("alpha1", lambda label, level: 0.5 - slope[label] * abs(level - 2))
        (section,) = FiguresOfPapers.for_study(trials)
        info, far = section.compute(trials, rng), max(abs(level - 2) for level in levels)
        assert section.key == "ral-figure-4-alpha1"
        for line in info.lines:
            assert line.differences == pytest.approx([-slope[line.label] * abs(level - 2) for level in levels])
        answer = section.answer(info)
        assert f"difference from the best level is apl -{0.1 * far:.3f}, ral -{0.02 * far:.3f}" in answer
        assert "without numbers" in answer and "RAL paper, Fig. 4 (α₁)" in render(trials)

    def test_figure_6a_counts_the_levels_at_which_ral_lies_above(self, rng):
        truth = lambda label, level: 0.6 if label == "ral" and level > 1 else 0.5 + 0.01 * (label == "apl")  # noqa: E731
        trials, levels = self.swept("beta1", truth)
        section = next(s for s in FiguresOfPapers.for_study(trials) if s.key == "ral-figure-6a")
        answer, above = section.answer(section.compute(trials, rng)), sum(level > 1 for level in levels)
        assert f"Here ral lies above apl at {above} of {len(levels)} levels." in answer

    def test_classes_are_shown_by_group_at_the_default(self, rng):
        facts = study(measures=declare_measures(("headline", "precision-recall")))
        trials = table(rng, lambda label, _: 0.4, noise=0.0, facts=facts)
        losses = facts.losses | {"ral": replace(facts.losses["ral"], loss="bal-eq4")}
        facts = as_printed(replace(facts, losses=losses), "voc-mlt", trainable="lm-clip", contrastive=True)
        trials = with_facts(trials.assign(test_recall_tail=2 * trials.test_recall_head), facts)
        (section,) = FiguresOfPapers.for_study(trials)
        info = section.compute(trials, rng)
        assert section.key == "lm-clip-figure-6" and {line.label for line in info.lines} == {"ral"}
        assert "ral precision 1.00, ral recall 2.00" in section.answer(info)
