"""Files beside records on the page: of one trial a loss at its default, the same images for all, and small."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from evenkeel.reports.facts import DataFacts
from evenkeel.reports.page.page import render
from evenkeel.reports.sections.embedding import Embedding
from evenkeel.reports.sections.examples import Examples
from evenkeel.reports.sections.gradcam import GradCam
from evenkeel.reports.sections.gradients import Gradients
from evenkeel.reports.sections.worse_images import WorseImages
from evenkeel.reports.table.record_files import MAX_FILE_BYTES, MAX_LOSSES_WITH_FILES, files_at_defaults, jpeg_size
from evenkeel.reports.table.trial_table import Files, trial_table
from evenkeel.study.records.facts import declare_measures
from tests.synthetic import row, study, table

DATA = DataFacts(
    "none", ("sky", "sea", "fox"), {"train": 9, "val": 3, "test": 4}, {"head": (0, 1), "medium": (), "tail": (2,)},
    positives={"train": (5, 3, 1), "test": (2, 1, 1)},
)  # fmt: skip
FACTS = replace(study(), data=DATA)


def npz(**arrays):
    content = BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    return content.getvalue()


def jpeg(width, height, colour="red"):
    content = BytesIO()
    Image.new("RGB", (width, height), colour).save(content, "JPEG")
    return content.getvalue()


SHEET = np.frombuffer(jpeg(128, 256), np.uint8)
TARGETS = np.array([[1, 1, 0], [0, 0, 1]], np.uint8)
CONTENTS = {
    "gradcam.jpg": jpeg(256, 288),
    "examples.npz": npz(sheet=SHEET, targets=TARGETS, scores=np.array([[0.9, 0.2, 0.4], [0.1, 0.7, 0.6]], np.float16)),
    "embedding.npz": npz(
        tsne=np.arange(8.0).reshape(4, 2), targets=np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]])
    ),
    "gradients.npz": npz(
        positive=np.array([4.0, 2.0, 1.0]), positive_entry=np.array([1.0, 1.0, 2.0]),
        negative=np.array([3.0, 3.0, 3.0]), negative_entry=np.array([0.1, 0.1, np.nan]),
    ),
}  # fmt: skip


def trials(contents=CONTENTS, seeds=(1, 2), losses=("bce", "apl")):
    """Defaults of seeds 0 to 2, and a moved trial, which also has files; `seeds` have files, seed 0 has none."""
    rows, names = [], {}
    for loss in losses:
        for seed in (2, 0, 1):
            rows.append(row(len(rows), loss, "sweep", seed, dict(FACTS.losses[loss].defaults), 0.5))
            if seed in seeds:
                names[rows[-1].trial_id] = frozenset(contents)
    rows.append(row(99, "apl", "sweep", 1, FACTS.losses["apl"].defaults | {"clip": 0.3}, 0.5))
    names[rows[-1].trial_id] = frozenset(contents)
    asked = []

    def read(trial_id, name):
        asked.append(trial_id)
        return contents[name]

    made = trial_table(rows, FACTS, Files(names, read))
    return made, asked, {r.trial_id: r for r in rows}


def test_one_trial_a_loss_at_its_default_of_the_first_seed_that_has_a_file():
    made, asked, rows = trials()
    assert {loss: one.seed for loss, one in files_at_defaults(made, "gradcam.jpg").items()} == {"apl": 1, "bce": 1}
    assert {(rows[i].loss, rows[i].seed, rows[i].moved) for i in asked} == {("bce", 1, None), ("apl", 1, None)}


def test_no_file_is_no_section():
    made, _, _ = trials({})
    page = render(made)
    for section in (GradCam, Examples, Embedding, Gradients):
        assert section.for_study(made) == [] and f'id="{section().key}"' not in page


def test_what_is_large_or_lost_is_left_out_and_named(rng):
    made, _, _ = trials({"gradcam.jpg": jpeg(8, 8) + bytes(MAX_FILE_BYTES)})
    info = GradCam().compute(made, rng)
    assert not info.sheets and GradCam().draw(info) is None and "No default" in GradCam().answer(info)


@pytest.mark.parametrize("content", [OSError("gone"), b"", b"half of"])
@pytest.mark.parametrize("name", CONTENTS)
def test_a_lost_or_damaged_file_is_none(name, content, rng):
    def read(trial_id, asked):
        if isinstance(content, OSError):
            raise content
        return content

    made, _, _ = trials()
    made.attrs["files"] = Files(made.attrs["files"].names, read)
    assert files_at_defaults(made, name) == {}


def test_the_page_holds_a_figure_once_however_many_metrics_it_has(rng):
    """Pictures do not hang on the metric: with noise for bytes the page grows by them once."""
    noise = rng.bytes(200_000)
    picture = CONTENTS["gradcam.jpg"] + noise
    without, with_them = (len(render(trials(of, losses=("bce",))[0])) for of in ({}, {"gradcam.jpg": picture}))
    assert 1.3 * len(noise) < with_them - without < 2 * 1.9 * len(noise)
    assert MAX_LOSSES_WITH_FILES * MAX_FILE_BYTES < 3_000_000


class TestGradCam:
    @pytest.mark.parametrize("size", [(256, 288), (17, 1000), (300, 4)])
    def test_the_size_of_a_picture(self, size):
        assert jpeg_size(jpeg(*size)) == size
        with pytest.raises(ValueError, match="not a JPEG"):
            jpeg_size(b"GIF89a")

    def test_images_once_then_the_maps_of_each_loss(self, rng):
        section, made = GradCam(), trials()[0]
        drawn = section.draw(section.compute(made, rng))
        layout = drawn.figure().layout
        assert [image.name for image in layout.images] == ["", "apl", "bce"]
        assert layout.xaxis.range == (0, 128) and layout.xaxis2.range == layout.xaxis3.range == (128, 256)
        assert "seed 1." in section.answer(section.compute(made, rng))
        assert "Not shown: ral." in section.answer(section.compute(made, rng))


class TestExamples:
    def test_the_highest_scores_with_right_ones_marked(self, rng):
        section, made = Examples(), trials()[0]
        rows = section.rows(section.compute(made, rng))
        assert rows.labels.tolist() == ["sky, sea", "fox"]
        assert rows.bce.tolist() == ["sky 90 ✓, fox 40, sea 20 ✓", "sea 70, fox 60 ✓, sky 10"]


class TestEmbedding:
    def test_images_of_one_shown_class_are_coloured(self, rng):
        info = Embedding().compute(trials()[0], rng)
        assert info.classes == ["sky", "sea", "fox"]
        assert [embedding.groups.tolist() for embedding in info.embeddings] == [[0, 1, -1, 2]] * 2
        assert len(Embedding().draw(info).figure().data) == 2 * 4


class TestPull:
    def test_tail_beside_head_in_a_batch_and_an_entry(self, rng):
        info = Gradients().compute(trials()[0], rng)
        answer = Gradients().answer(info)
        assert (
            "bce: positives of tail classes pull 0.33 times as hard as those of head classes in a batch, 2 times an"
            in answer
        )
        drawn = Gradients().draw(info).figure()
        assert drawn.data[0].x == ("sky", "sea", "fox") and drawn.data[0].y == (1, 0.5, 0.25)
        rows = Gradients().rows(info)
        assert rows[(rows.part == "negative") & (rows.norm == "an entry")]["tail"].tolist() == ["", ""]


class TestWorseImages:
    def test_the_change_from_clean_images_is_paired_by_seed(self, rng):
        """Scores fall by 0.1 a severity of blur in every seed: the interval has no width, whatever seeds add."""
        facts = replace(FACTS, measures=declare_measures(("headline", "noise")), metric="map")
        parts = {"blur_1": 0.1, "blur_2": 0.2, "blur_4": 0.3}

        def worse(r):
            blurred = {f"test_noise_map_{part}": r.metrics["test_map"] - drop for part, drop in parts.items()}
            return replace(r, metrics=r.metrics | blurred)

        made = table(rng, lambda label, setting: 0.5, facts=facts, change=worse)
        info = WorseImages().compute(made, rng)
        blur = [c for c in info.cells if c.kind.startswith("blur") and c.loss == "bce"]
        assert [c.change.value for c in blur] == pytest.approx([-0.1, -0.2, -0.3])
        assert all(c.change.high - c.change.low == pytest.approx(0, abs=1e-9) for c in blur)
        assert len({c.kind for c in info.cells}) == 3 and "bce -0.300 (blur" in WorseImages().answer(info)
        assert len(WorseImages().rows(info)) == 9

    def test_under_a_metric_that_was_not_measured_the_page_says_where_to_look(self, rng):
        facts = replace(FACTS, measures=declare_measures(("headline", "noise")), metric="f1")
        info = WorseImages().compute(table(rng, lambda label, setting: 0.5, facts=facts), rng)
        assert "Measured in mAUC and mAP" in WorseImages().answer(info)
        assert WorseImages().draw(info) is None is WorseImages().rows(info)
