"""Every section on studies with a known truth, and on studies that are empty, tiny or broken."""

import re
from dataclasses import replace
from itertools import product
from unittest.mock import ANY

import numpy as np
import pytest

from evenkeel.reports.figures.small_multiples import ticks
from evenkeel.reports.page.page import render, sections
from evenkeel.reports.page.payload import packed_plotly
from evenkeel.reports.papers.numbers_of_papers import NumbersOfPapers
from evenkeel.reports.sections.budget import Budget
from evenkeel.reports.sections.contrasts import Contrasts
from evenkeel.reports.sections.defaults import Defaults
from evenkeel.reports.sections.failures import Failures
from evenkeel.reports.sections.importance import Importance
from evenkeel.reports.sections.profile import Profile
from evenkeel.reports.sections.sensitivity import Sensitivity
from evenkeel.reports.sections.tolerance import Tolerance
from evenkeel.reports.sections.tuned import Tuned, is_beaten
from evenkeel.reports.sections.verdicts import Verdicts
from evenkeel.reports.sections.win_probability import WinProbability
from evenkeel.reports.table.designs import best_of, sobol_points_of, sweep_of, swept_hyperparameters, with_metric
from evenkeel.reports.table.trial_table import trial_table
from evenkeel.reports.text.methods import METHODS
from tests.synthetic import SPACES, as_printed, row, study, table, wider_by
from tests.test_record_files import trials as with_files


def flat(label, setting):
    return 0.5


def sharp(label, setting):
    """RAL loses 0.02 per unit of gamma_neg away from 4; nothing else matters."""
    return 0.5 - (0.02 * abs(setting["gamma_neg"] - 4) if label == "ral" else 0.0)


def diverge(r):
    """Everything RAL does at gamma_neg 12 diverges, at the floor."""
    if r.loss == "ral" and r.hyperparameters["gamma_neg"] == 12:
        return replace(r, state="diverged", note="the loss was not finite", metrics=dict.fromkeys(r.metrics, 0.1))
    return r


def only(state):
    return lambda r: replace(r, state=state, note=state, metrics={} if state == "failed" else r.metrics)


STUDIES = {
    "whole": lambda rng: table(rng, sharp),
    "empty": lambda rng: trial_table([], study(planned={})),
    "one trial": lambda rng: trial_table([row(0, "bce", "sweep", 0, {}, 0.5)], study()),
    "all diverged": lambda rng: table(rng, flat, change=only("diverged")),
    "all failed": lambda rng: table(rng, flat, change=only("failed")),
    "one loss only": lambda rng: table(rng, sharp, change=lambda r: r if r.loss == "ral" else None),
    "missing seeds": lambda rng: table(rng, sharp, change=lambda r: None if r.trial_id.endswith("7") else r),
    "one seed": lambda rng: table(rng, sharp, num_seeds=1),
    "sweep only": lambda rng: table(rng, sharp, designs=("sweep",)),
    "search only": lambda rng: table(rng, sharp, designs=("search",)),
    "some diverged": lambda rng: table(rng, flat, change=diverge),
    "files beside": lambda rng: with_files()[0],
}


@pytest.mark.parametrize("kind", STUDIES)
def test_every_section_says_something_sensible(kind, rng):
    trials = STUDIES[kind](rng)
    for section in sections(trials):
        info = section.compute(trials, rng)
        answer = section.answer(info)
        assert answer.strip() and "nan" not in answer.lower()
        drawn, rows = section.draw(info), section.rows(info)
        assert drawn is None or drawn.figure().data  # plotly knows every key
        assert rows is None or "nan" not in rows.to_csv().lower()


@pytest.mark.parametrize("kind", STUDIES)
def test_every_page_renders(kind, rng):
    page = render(STUDIES[kind](rng)).replace(packed_plotly(), "")
    assert page.count("Plotly.react") == 1
    assert "src=" not in page and "http" not in page.replace("http-equiv", "")


def test_a_caption_names_the_score_that_the_figure_shows(rng):
    page = render(with_files()[0])
    captions = re.findall(r'<span data-for="f1">(.*?)</span>', page)
    scored = {caption.split(".")[0]: "Score: " in caption for caption in captions if "; evenkeel." in caption}
    assert scored["Grad-CAM: where the model looks"] is False and scored["At the defaults"] is True


def test_sentences_lead_that_the_grid_of_verdicts_does_not_show(rng):
    """With more than five, those that say a cell of the grid in words are folded away, all of them."""
    losses = {f"ral{i}": study().losses["ral"] for i in range(5)}
    facts, cells = study(losses=losses), product(losses, range(6), (0.05, 0.0, 0.25))
    rows = [
        row(n, loss, "sweep", seed, {"clip": clip}, 0.5 + 0.05 * (clip == 0.25), facts=facts)
        for n, (loss, seed, clip) in enumerate(cells)
    ]
    page = render(trial_table(rows, facts))
    shown, folded = re.search(r'id="verdicts".*?data-for="f1">(.*?)<details>(.*?)</details>', page, re.S).groups()
    assert "Over the hyperparameters that all losses share" in shown and "The default is not the best" in shown
    assert "ral0 is" not in shown and all(f"ral{i} is steady in clip" in folded for i in range(5))


def test_every_number_of_the_page_has_its_formula(rng):
    """The columns of its tables, as far as they are statistics."""
    explained = {name for method in METHODS for name in method.name.split(", ")}
    assert explained >= {
        "worst change", "span", "size", "seed noise", "p (flat)", "area", "floor-scored", "quantiles", "best of B",
        "shares of variance", "which loss wins", "gap", "overtuning", "sensitivity", "dimensionality",
    }  # fmt: skip


def test_the_same_table_and_seed_give_the_same_bytes():
    one, again = (render(table(np.random.default_rng(3), sharp)) for _ in range(2))
    assert one == again


def test_text_of_the_study_cannot_break_the_page(rng):
    page = render(table(rng, flat))
    assert "1 class has no positive in val and is left out of its means: b." in page
    assert "a &lt;b&gt;known&lt;/b&gt; truth &lt;/script&gt;" in page


class TestVerdicts:
    def test_a_sharp_landscape_is_found(self, rng):
        info = Verdicts().compute(table(rng, sharp), rng)
        assert info.cells["ral", "gamma_neg"].judged.status == "sensitive"
        assert info.cells["ral", "gamma_neg"].judged.drop.value == pytest.approx(-0.16, abs=0.01)
        assert info.cells["apl", "gamma_neg"].judged.status == info.cells["ral", "clip"].judged.status == "steady"
        assert "ral is steady in clip and hill_lambda and is sensitive in gamma_neg" in Verdicts().answer(info)

    def test_a_noisy_flat_landscape_is_too_noisy(self, rng):
        info = Verdicts().compute(table(rng, flat, noise=0.03), rng)
        assert {cell.judged.status for cell in info.cells.values()} == {"too noisy"}
        assert "is too noisy to judge in" in Verdicts().answer(info)

    def test_few_seeds_give_no_verdict(self, rng):
        info = Verdicts().compute(table(rng, sharp, num_seeds=3), rng)
        assert "With 3 seeds no interval can be trusted" in Verdicts().answer(info)

    def test_divergence_is_named_and_enters_no_interval(self, rng):
        info = Verdicts().compute(table(rng, flat, change=diverge), rng)
        judged = info.cells["ral", "gamma_neg"].judged
        assert judged.drop.value == pytest.approx(0, abs=0.01) and judged.status == "sensitive"
        assert "ral gamma_neg 12 diverged in 6 of 6 seeds" in Verdicts().answer(info)
        page = Sensitivity("gamma_neg")
        assert "12: 100% [61%, 100%]" in page.rows(page.compute(table(rng, flat, change=diverge), rng)).to_csv()

    def test_a_default_that_is_not_the_best_is_said(self, rng):
        better = lambda label, s: 0.5 + (0.03 if label == "ral" and s["clip"] > 0.2 else 0)  # noqa: E731
        answer = Verdicts().answer(Verdicts().compute(table(rng, better), rng))
        assert "The default is not the best: ral gains +0.0" in answer and "at clip 0.25" in answer

    def test_a_study_at_the_floor_is_not_judged(self, rng):
        facts = study(data=replace(study().data, floor={"f1": 0.49}))
        info = Verdicts().compute(table(rng, flat, facts=facts), rng)
        assert {cell.judged.status for cell in info.cells.values()} == {"not judged"}
        assert "is not surely better than a constant predictor, 0.490" in Verdicts().answer(info)
        assert "A predictor that ignores the image scores 0.490." in Defaults().answer(
            Defaults().compute(table(rng, flat, facts=facts), rng)
        )


def test_defaults_are_paired_with_the_first_loss(rng):
    trials = table(rng, lambda label, setting: 0.5 + 0.1 * (label == "bce"), noise=0.0)
    info = Defaults().compute(trials, rng)
    by = {level.loss: level for level in info.levels}
    assert by["bce"].score.value == pytest.approx(0.6 + 0.02 * np.mean(np.sin(range(6))))
    assert by["ral"].against_first[:4] == pytest.approx(
        (by["ral"].score.value - info.levels[0].score.value,) * 3 + (6,), abs=1e-9
    )
    assert "bce 0.5" in Defaults().answer(info) or "bce 0.6" in Defaults().answer(info)


def test_floor_and_best_of_the_study_are_drawn_and_named(rng):
    trials = table(rng, sharp, facts=study(data=replace(study().data, floor={"f1": 0.123})))
    section = Defaults()
    info = section.compute(trials, rng)
    lines = {t["name"]: t["y"] for t in section.draw(info).data if t["mode"] == "lines"}
    assert lines == {"constant predictor": [0.123] * 3, "best of the study, chosen on validation": ANY}
    assert lines["best of the study, chosen on validation"] == pytest.approx([best_of(trials)] * 3)


class TestImages:
    """Trials that carry their metrics without each of five groups of test images."""

    @staticmethod
    def with_images(r):
        """One group of images likes gamma_neg 12 of RAL, the others do not."""
        special = r.loss == "ral" and r.hyperparameters["gamma_neg"] == 12
        likes = np.array([0.05, 0, 0, 0, 0]) if special else np.zeros(5)
        scores = {name: r.metrics[name] for name in ("test_f1", "test_map")}
        return replace(r, images={name: score + likes for name, score in scores.items()})

    def test_they_widen_what_they_move_and_nothing_else(self, rng):
        trials = table(rng, flat, change=self.with_images)
        sweep = sweep_of(trials, "ral", "gamma_neg")
        error = np.sqrt(4 / 5 * (4 * 0.01**2 + 0.04**2))
        expected = [wider_by(5) * error if level == 12 else 0 for level in sweep.levels]
        assert sweep.images_LSG.shape == (5, 6, 5) and sweep.image_errors_L == pytest.approx(expected, abs=1e-7)
        verdicts = Verdicts().compute(trials, rng)
        assert verdicts.cells["ral", "gamma_neg"].judged.status == "too noisy"
        answer = Verdicts().answer(verdicts)
        assert answer.count("More seeds will not settle") == 1
        assert "More seeds will not settle ral gamma_neg: it takes more test images." in answer
        assert verdicts.cells["apl", "gamma_neg"].judged.status == "steady"

    def test_contrasts_pair_them(self, rng):
        """The area is a mean over four moved levels, so a quarter of the level's error."""
        info = Contrasts().compute(table(rng, flat, change=self.with_images), rng)
        gamma = next(c for c in info.contrasts if c.name == "gamma_neg")
        error = np.sqrt(4 / 5 * (4 * 0.01**2 + 0.04**2)) / 4
        assert gamma.difference.image_half_width == pytest.approx(2.009575 * wider_by(5) * error)
        assert next(c for c in info.contrasts if c.name == "clip").difference.image_half_width == pytest.approx(0)

    def test_the_page_says_what_its_intervals_hold(self, rng):
        both, seeds = render(table(rng, flat, change=self.with_images)), render(table(rng, flat))
        assert "hold the choice of the test images" in both and "images.test_f1" not in both
        assert "The choice of the test images is not in them" in seeds

    def test_the_page_says_what_seeds_vary(self, rng):
        facts = study(varied=("init", "train_rows"), constant=("backbone",))
        page = render(table(rng, flat, facts=facts))
        assert (
            "from seed to seed: initial weights and the train rows" in page
            and "The same for all seeds: the backbone" in page
        )
        assert "hold another training set" in page and "not another training set" in render(table(rng, flat))

    def test_half_recorded_is_not_recorded(self, rng):
        """A level whose trials lack them cannot borrow an error of 0."""

        def some(r):
            return r if r.hyperparameters.get("gamma_neg") == 6 else self.with_images(r)

        assert sweep_of(table(rng, flat, change=some), "apl", "gamma_neg").images_LSG is None


class TestSensitivity:
    def test_the_reference_curve_is_paired_by_seed(self, rng):
        trials = table(rng, sharp, noise=0.0)
        info = Sensitivity("gamma_neg").compute(trials, rng)
        ral = next(c for c in info.curves if c.sweep.loss == "ral")
        expected = [-0.02 * abs(level - 4) for level in ral.sweep.levels]
        assert [i.value for i in ral.reference] == pytest.approx(expected)
        assert ral.noise > 0.005  # seed effects are large, yet the paired intervals are points
        assert all(i.high - i.low < 1e-9 for i in ral.reference)
        assert ral.naive == pytest.approx(expected)

    def test_one_colour_a_loss_all_losses_in_one_frame(self, rng):
        section = Sensitivity("clip")
        drawn = section.draw(section.compute(table(rng, sharp), rng)).figure()
        colours = {t.name: t.line.color for t in drawn.data if t.name in ("apl", "ral")}
        assert len(set(colours.values())) == 2
        assert sum((t.name or "").startswith("naive") and t.showlegend is not False for t in drawn.data) == 1

    def test_a_level_tells_on_hover_of_its_seeds_and_settings(self, rng):
        section = Sensitivity("clip")
        drawn = section.draw(section.compute(table(rng, sharp), rng))
        trace = next(t for t in drawn.data if t.get("name") == "ral" and "customdata" in t)
        assert trace["customdata"][0][1:] == [6, 0] and "gamma_neg 4" in trace["hovertemplate"]

    def test_what_diverged_is_scored_at_the_floor_by_name_alone(self, rng):
        """The finite seeds alone make curve and interval; the floor (0.1) has a column and marks of its own."""
        section = Sensitivity("gamma_neg")
        info = section.compute(table(rng, flat, change=diverge, noise=1e-4), rng)
        rows = section.rows(info).set_index("loss")
        default = 0.5 + 0.02 * np.mean(np.sin(range(6)))
        assert float(rows["worst change, floor-scored"]["ral"]) == pytest.approx(0.1 - default, abs=1e-3)
        assert rows["worst change, floor-scored"]["apl"] == rows["worst change"]["apl"].split(" ")[0]
        assert info.curves[1].judged.drop.value == pytest.approx(0, abs=1e-3)
        marks = [
            t for t in section.draw(info).data if t.get("name", "").startswith("floor-scored") and t["x"] != [None]
        ]
        assert [(t["x"], t["meta"]) for t in marks] == [([12], {"loss": "ral"})]
        assert "worst change, floor-scored" not in section.rows(section.compute(table(rng, flat), rng))

    def test_the_size_of_a_curve_is_the_root_of_products_of_different_seeds(self, rng):
        section = Sensitivity("gamma_neg")
        info = section.compute(table(rng, sharp), rng)
        moved = info.curves[1].sweep.differences_LS[info.curves[1].sweep.moved]
        products = [np.mean(moved[:, r] * moved[:, s]) for r in range(6) for s in range(6) if r != s]
        assert float(section.rows(info)["size"][1]) == pytest.approx(np.sqrt(np.mean(products)), abs=5e-4)

    def test_search_points_never_enter(self, rng):
        trials = table(rng, sharp, designs=("search",))
        assert swept_hyperparameters(trials) == [] and sobol_points_of(trials, "ral") is None

    def test_a_failed_default_leaves_its_seed_out(self, rng):
        trials = table(rng, sharp)
        default = (trials.loss == "ral") & (trials.design == "sweep") & (trials.seed == 0)
        trials.loc[default & (trials["hp.gamma_neg"] == 4) & (trials["hp.clip"] == 0.05), "state"] = "failed"
        assert {i.n for i in Sensitivity("clip").compute(trials, rng).curves[1].reference} == {5}

    def test_metrics_switch(self, rng):
        trials = table(rng, sharp)
        trials["test_map"] = 0.7
        sweep = sweep_of(with_metric(trials, "map"), "ral", "gamma_neg")
        assert (sweep.scores_LS == 0.7).all()


class TestJoint:
    def test_contrasts_by_seed_pairs(self, rng):
        info = Contrasts().compute(table(rng, sharp), rng)
        gamma = next(c for c in info.contrasts if c.name == "gamma_neg")
        assert (gamma.first, gamma.second) == ("apl", "ral") and gamma.together.high < 0 and gamma.p < 1e-3
        assert gamma.p_corrected == pytest.approx(7 * gamma.p), "two comparisons and five verdicts share the error"
        assert "In gamma_neg apl loses less than ral (p < 0.001 after correction)." in Contrasts().answer(info)

    def test_four_seeds_cannot_decide_and_say_so(self, rng):
        answer = Contrasts().answer(Contrasts().compute(table(rng, sharp, num_seeds=4), rng))
        assert "2 comparisons cannot be decided with 4 seeds: it takes 5 or more." in answer

    def test_a_level_that_failed_everywhere_leaves_the_others_to_compare(self, rng):
        def lost(r):
            at_level = r.loss == "ral" and r.hyperparameters["clip"] == 0.25 and r.design == "sweep"
            return replace(r, state="failed", metrics={}) if at_level else r

        info = Contrasts().compute(table(rng, flat, change=lost), rng)
        clip = next(c for c in info.contrasts if c.name == "clip")
        assert clip.together.n == 6 and clip.levels == "same; without 0.25, which lacks seeds"

    def test_flat_losses_that_differ_in_noise_are_not_told_apart(self, rng):
        def louder(r):
            return (
                replace(r, metrics={k: v + rng.normal(0, 0.02) for k, v in r.metrics.items()}) if r.loss == "ral" else r
            )

        info = Contrasts().compute(table(rng, flat, num_seeds=8, change=louder), rng)
        assert all(c.p_corrected > 0.05 for c in info.contrasts)
        assert "2 of 2 comparisons are not decided." in Contrasts().answer(info)

    def test_the_searched_validation_score_is_of_the_metric_shown(self, rng):
        trials = table(rng, sharp)
        trials["val_map"] = 0.75
        info = Tuned().compute(with_metric(trials, "map"), rng)
        assert {w.searched_val for w in info.winners} == {0.75}
        assert info.winners[0].gap == pytest.approx(0.75 - info.winners[0].tuned.value)
        assert "chosen by macro F1 at 0.5 on validation" in Tuned().answer(info)

    def test_tolerance_of_a_flat_and_of_a_sharp_loss(self, rng):
        info = Tolerance().compute(table(rng, sharp, noise=1e-4), rng)
        by = {t.loss: t for t in info.losses}
        assert by["apl"].at_margin_overall.value == 1
        assert by["ral"].at_margin_overall.value < 0.5
        assert info.overall_best == pytest.approx(0.5 + 0.02 * np.mean(np.sin(range(6))), abs=1e-3)
        assert (np.diff(by["ral"].share_of_own) >= 0).all()

    def test_profiles_and_quantiles(self, rng):
        trials = table(rng, sharp, noise=1e-4)
        info = Profile().compute(trials, rng)
        means = sobol_points_of(trials, "ral").test_HS.mean(1)
        ral = next(p for p in info.losses if p.loss == "ral")
        assert ral.median.value == pytest.approx(np.median(means))
        assert ral.low_quantile.value == pytest.approx(np.quantile(means, 0.1))
        assert ral.worst_mean.value == pytest.approx(means.min())

    def test_a_better_loss_wins_and_equal_ones_do_not(self, rng):
        better = lambda label, setting: 0.5 + 0.05 * (label == "ral")  # noqa: E731
        info = WinProbability().compute(table(rng, better), rng)
        by = {(w.first, w.second): w.share for w in info.wins}
        assert by["apl", "ral"].value == 0 and 0.2 < by["apl", "bce"].value < 0.8
        answer = WinProbability().answer(info)
        assert "a random setting of ral beats one of apl in 100%" in answer and "1 of 3 pairs" in answer

    def test_the_best_of_a_few_rises_with_the_budget(self, rng):
        info = Budget().compute(table(rng, sharp, noise=1e-4), rng)
        by = {c.loss: c.expected for c in info.curves}
        assert (np.diff(by["ral"]) >= 0).all() and np.ptp(by["apl"]) < 1e-3 and len(by["ral"]) == 4
        means = sobol_points_of(table(np.random.default_rng(0), sharp, noise=1e-4), "ral").test_HS.mean(1)
        assert by["ral"][0] == pytest.approx(means.mean(), abs=1e-3)

    def test_shares_are_refused_with_eight_settings(self, rng):
        info = Importance().compute(table(rng, flat), rng)
        assert "no shares are given" in Importance().answer(info)

    def test_classes_with_few_validation_positives_are_named(self, rng):
        facts = study(data=replace(study().data, positives={"val": (3, 40)}))
        page = render(table(rng, flat, facts=facts))
        assert "1 class has fewer than 10 positives in val" in page

    def test_tuned_shows_test_scores_of_fresh_seeds(self, rng):
        info = Tuned().compute(table(rng, sharp), rng)
        assert [w.loss for w in info.winners] == ["apl", "ral"]
        assert all(w.tuned.n == 5 and w.budget == 8 for w in info.winners)
        assert info.winners[1].gain.value < 0.01  # the default is the truth's best

    def test_tuned_says_which_proposals_none_beats_in_two_metrics(self, rng):
        """Better in the one is worse in the other for the last five, and the first three are beaten by the fourth."""

        def score(row):
            if row.design != "search":
                return row
            f1 = 0.1 * min(row.proposal, 3) + 0.01 * row.proposal
            return replace(row, metrics=row.metrics | {"val_f1": f1, "val_map": 0.9 - 0.1 * max(row.proposal, 3)})

        facts = study(beside="map")
        answer = Tuned().answer(Tuned().compute(table(rng, sharp, change=score, facts=facts), rng))
        front = ", ".join(f"{0.3 + 0.01 * n:.3f} and {0.9 - 0.1 * n:.3f}" for n in (7, 6, 5, 4, 3))
        assert f"apl: {front}; ral: {front}." in answer

    @pytest.mark.parametrize("num", [0, 1, 40])
    def test_a_front_is_what_looking_at_every_two_proposals_gives(self, num, rng):
        """Few values, so that many are equal in one score or in both."""
        scores = rng.integers(0, 8, (num, 2)).astype(float)
        beaten = [any((other >= own).all() and (other > own).any() for other in scores) for own in scores]
        assert is_beaten(scores).tolist() == beaten and (num < 2 or 0 < sum(beaten) < num)

    def test_tuned_counts_proposals_that_were_stopped_early_and_uses_none(self, rng):
        def stop(row):
            return replace(row, state="censored") if row.design == "search" and row.proposal >= 6 else row

        info = Tuned().compute(table(rng, sharp, change=stop), rng)
        assert {(w.budget, w.stopped) for w in info.winners} == {(6, 2)}
        assert set(Tuned().rows(info)["proposals"]) == {"8, 2 of them stopped early"}

    @pytest.mark.parametrize(
        ("by_clip", "by_gamma", "sensitivity", "dimensions"),
        [(0.0, 0.0, 0.0, "0"), (0.1, 0.0, 0.1 / 0.4, "1"), (0.1, 0.1, 0.2 / 0.5, "2 or more")],
    )
    def test_sensitivity_and_effective_dimensionality(self, by_clip, by_gamma, sensitivity, dimensions, rng):
        """The default scores 0.5, the floor 0.2; leaving it brings 0.1 in clip, in gamma_neg, or in both."""

        def truth(label, setting):
            default = SPACES[label].defaults() if label != "bce" else setting
            return 0.5 + sum(by * (setting[n] != default[n]) for n, by in (("clip", by_clip), ("gamma_neg", by_gamma))
                             if n in setting)  # fmt: skip

        facts = study(data=replace(study().data, floor={"f1": 0.2}))
        found = {w.loss: w for w in Tuned().compute(table(rng, truth, facts=facts, noise=1e-5), rng).winners}["ral"]
        assert found.sensitivity == pytest.approx(sensitivity, abs=0.02) and found.to_tune == dimensions

    def test_the_choice_of_test_images_is_in_what_tuning_brings(self, rng):
        """One of five groups likes what was tuned; what all scores share cancels in the difference."""

        def with_images(r):
            likes = np.array([0.05 * (r.design == "confirm" and r.group == 0), 0, 0, 0, 0]) + [0, 0.1, 0, 0, 0]
            return replace(r, images={"test_f1": r.metrics["test_f1"] + likes})

        error = np.sqrt(4 / 5 * (4 * 0.01**2 + 0.04**2))
        for winner in Tuned().compute(table(rng, flat, change=with_images), rng).winners:
            assert winner.gain.image_half_width == pytest.approx(2.009575 * wider_by(5) * error)
            assert winner.default.image_half_width == pytest.approx(2.009575 * wider_by(5) * 2 * error)
        assert {w.gain.image_half_width for w in Tuned().compute(table(rng, flat), rng).winners} == {0}

    def test_a_printed_table_has_the_intervals_of_the_page(self, rng):
        """Our column holds the choice of test images as the section on defaults does."""
        losses = {name: replace(study().losses["ral"], loss=name) for name in ("bce", "asl", "ral")}
        facts = as_printed(study(losses=losses))
        rows = [
            row(i, loss, "sweep", seed, {}, 0.5 + 0.01 * np.sin(seed), facts=facts)
            for i, (loss, seed) in enumerate(product(losses, range(6)))
        ]
        trials = trial_table([replace(r, images={"test_f1": np.linspace(0.4, 0.6, 5)}) for r in rows], facts)
        printed = next(one for one in NumbersOfPapers.for_study(trials) if one.key == "ral-table-3")
        ours = {p.label: p.ours for p in printed.compute(trials, rng).pairs if p.measure == "f1"}
        theirs = {one.loss: one.score for one in Defaults().compute(trials, rng).levels}
        assert ours == theirs and ours["ral"].image_half_width > 0.1

    def test_failures_are_counted_with_their_notes(self, rng):
        trials = table(rng, flat, change=diverge)
        info = Failures().compute(trials, rng)
        ral = next(c for c in info.counts if c.loss == "ral")
        assert ral.diverged == 6 and ral.rate.value == pytest.approx(6 / (ral.done + 6))
        assert "6 trials diverged" in Failures().answer(info) and "not finite" in Failures().answer(info)
        assert "no interval of a curve holds them as scores" in Failures().answer(info)


class TestOvertuning:
    @staticmethod
    def searched(rng, num=30, seeds=(0, 1), **change):
        """A search whose scores are noise, with failures and divergence, recorded in any order."""
        places = rng.permutation(num * len(seeds))
        rows = []
        for number in range(num):
            for seed in seeds:
                r = row(places[len(rows)], "apl", "search", seed, {"clip": rng.random()}, 0.5, group=0, proposal=number)
                state = rng.choice(["done", "done", "done", "diverged", "failed"])
                scores = {} if state == "failed" else {"val_f1": rng.random(), "test_f1": rng.random()}
                rows.append(replace(r, state=str(state), metrics=scores, **change))
        return rows

    def test_is_what_a_plain_walk_over_the_proposals_finds(self, rng):
        shares = []
        for _ in range(50):
            rows = self.searched(rng)
            led, best = [], -1.0
            for number in range(30):
                known = [r.metrics for r in rows if r.proposal == number and r.state != "failed"]
                if known and (val := sum(m["val_f1"] for m in known) / len(known)) > best:
                    best = val
                    led.append(sum(m["test_f1"] for m in known) / len(known))
            done = next(r for r in rows if r.state == "done")
            confirmed = [
                replace(done, trial_id=f"c{s}", design="confirm", seed=s, proposal=None) for s in range(50, 55)
            ]
            trials = trial_table([*rows, *confirmed], study())
            (winner,) = Tuned().compute(trials, rng).winners
            assert winner.overtuning.lost == pytest.approx(max(led) - led[-1])
            shares.append(winner.overtuning.share)
            if max(led) > led[0]:
                assert shares[-1] == pytest.approx((max(led) - led[-1]) / (max(led) - led[0]))
            else:
                assert np.isnan(shares[-1])
        assert np.nanmax(shares) > 1, "some end below where they began"

    def test_there_is_none_where_validation_is_the_truth(self, rng):
        for winner in Tuned().compute(table(rng, sharp), rng).winners:  # all scores of a trial are one number
            assert winner.overtuning.lost == 0

    def test_records_without_the_order_of_proposals_say_nothing(self, rng):
        trials = table(rng, sharp, change=lambda r: replace(r, proposal=None))
        info = Tuned().compute(trials, rng)
        assert Tuned().rows(info)["overtuning"].tolist() == ["–", "–"]


def test_the_page_says_which_defaults_are_not_as_published_and_where_they_are_from(rng):
    facts = study()
    changed = replace(facts.losses["apl"], published={"clip": 0.25})
    facts = replace(facts, losses=facts.losses | {"apl": changed})
    trials = table(rng, flat, facts=facts)
    section = Defaults()
    assert section.answer(section.compute(trials, rng)).endswith(" Not as published: apl has clip 0.05 (0.25).")
    assert "Not as published" not in section.answer(section.compute(table(rng, flat), rng))
    section = Sensitivity("clip")
    rows = section.rows(section.compute(trials, rng))
    assert rows["default from"].tolist() == [facts.losses[loss].space["clip"].source for loss in rows.loss]


@pytest.mark.parametrize(
    ("levels", "log", "ends"), [([3, 1, 2], False, (1, 3)), ([0.01, 1.0], True, (-2, 0)), ([5], False, (5, 5))]
)
def test_a_frame_keeps_its_range_whichever_curves_are_shown(levels, log, ends):
    assert "range" not in ticks([0.0, *levels], log=True)
    low, high = ticks(levels, log=log)["range"]
    assert ends[0] - 0.2 < low < ends[0] and ends[1] < high < ends[1] + 0.2
