"""The sentences that a page opens with, held against the grid below them and against studies whose truth is known."""

import re
from dataclasses import replace

import numpy as np
import pytest

from evenkeel.reports.page.page import render
from evenkeel.reports.sections.answer import VERDICT_SIGNS, Answer
from evenkeel.reports.sections.ranking import Ranking, shared_hyperparameters, worst_of
from evenkeel.reports.table.trial_table import facts_of, with_facts
from evenkeel.reports.verdict.verdict import NOT_JUDGED, SENSITIVE, SIZE_OPEN, STEADY, VERDICTS
from tests.synthetic import study, table

MARGIN = 0.01
FLOOR = 0.1


def flat(label, setting):
    return 0.5


def slope(label, setting):
    return 0.5 - 0.5 * abs(setting["clip"] - 0.05) * (label == "ral") if "clip" in setting else 0.5


def cliff(label, setting):
    return 0.3 if label == "apl" and setting.get("gamma_neg", 0) > 10 else 0.5


def small_drop(label, setting):
    return 0.5 - 0.012 * (label == "ral" and setting["clip"] > 0.2) if "clip" in setting else 0.5


def at_chance(label, setting):
    return FLOOR + 0.004


def diverging(r):
    broken = r.loss == "ral" and r.hyperparameters.get("gamma_neg", 0) > 10 and r.design == "sweep"
    return replace(r, state="diverged", metrics=dict.fromkeys(r.metrics, FLOOR)) if broken else r


def unfinished(r):
    return None if r.seed in (3, 4, 5) and r.loss == "ral" else r


KINDS = {
    "flat": (flat, 0.002, None),
    "slope": (slope, 0.002, None),
    "cliff": (cliff, 0.002, None),
    "small drop": (small_drop, 0.002, None),
    "noisy": (flat, 0.06, None),
    "at chance": (at_chance, 0.002, None),
    "diverged": (flat, 0.002, diverging),
    "unfinished": (flat, 0.002, unfinished),
}
"""What holds in a study -> its truth, the noise of a trial, what happens to trials."""
STUDIES = [(kind, seed) for kind in KINDS for seed in range(3)]


def opening(kind, seed, num_seeds=6):
    truth, noise, change = KINDS[kind]
    facts = study(num_seeds, margin=MARGIN)
    facts = replace(facts, data=replace(facts.data, floor={"f1": FLOOR}))
    rng, planned = np.random.default_rng(seed), {}

    def counted(r):
        planned.setdefault(r.loss, {"sweep": 0})["sweep"] += 1
        return change(r) if change else r

    trials = table(rng, truth, noise=noise, designs=("sweep",), change=counted, facts=facts)
    trials = with_facts(trials, replace(facts_of(trials), planned=planned))
    info = Answer().compute(trials, rng)
    return info, Answer().answer(info)


def number_of(words, text):
    number = re.search(rf"(\d+) {words}", text)
    return int(number[1]) if number else 0


@pytest.mark.parametrize(("kind", "seed"), STUDIES)
def test_every_sentence_says_what_the_grid_shows(kind, seed):
    info, answer = opening(kind, seed)
    cells, lines = info.verdicts.cells, answer.split("\n")
    status = {key: cell.judged.status for key, cell in cells.items()}
    by = {verdict: {key for key, value in status.items() if value == verdict} for verdict in VERDICTS}
    for loss in ("apl", "ral"):
        sensitive = {name for label, name in by[SENSITIVE] if label == loss}
        clause = re.search(rf"[:;] {loss} to ([\w, ]+)[.;]", answer)
        assert set(re.findall(r"clip|gamma_neg|hill_lambda", clause[1] if clause else "")) == sensitive
    assert number_of("real drops?, not surely", answer) == len(by[SIZE_OPEN])
    assert number_of("open, too noisy", answer) == len(by["too noisy"] | by["too few seeds"])
    judged = {key for key, value in status.items() if value != NOT_JUDGED}
    assert (" steady in every hyperparameter" in lines[0]) == (bool(judged) and judged == by[STEADY])
    assert ("No loss is judged" in lines[0]) == (not judged)


@pytest.mark.parametrize(("kind", "seed"), STUDIES)
def test_the_steadiest_is_the_first_of_the_ranking_and_numbers_are_those_of_the_cell(kind, seed):
    info, answer = opening(kind, seed)
    first = answer.split("\n")[0]
    if named := re.match(
        r"(apl|ral) (is the steadiest loss|loses least) over (.*?): it loses (at most )?([\d.]+)", first
    ):
        best = info.ranking.standings[0]
        cell = info.verdicts.cells[best.loss, best.worst_in]
        assert named[1] == best.loss and best.worst == cell.judged.drop
        expected = -best.worst.low if named[4] else -best.worst.value
        assert float(named[5]) == pytest.approx(expected, abs=5.1e-4)
        rivals = [s for s in info.ranking.standings[1:] if s.judged]
        assert all(best.worst.value >= s.worst.value for s in rivals)
        assert ("steadiest" in named[2]) == all(s.worst.high < best.worst.low for s in rivals)


@pytest.mark.parametrize("seed", range(3))
class TestKnownTruth:
    def test_a_flat_study_names_nothing_sensitive(self, seed):
        _, answer = opening("flat", seed)
        assert "All losses (" in answer and "are steady in every hyperparameter" in answer and "Sensitive" not in answer
        assert "Every loss is surely better than a constant predictor, which scores 0.100." in answer

    def test_a_slope_and_a_cliff_are_named_with_loss_and_hyperparameter(self, seed):
        _, answer = opening("slope", seed)
        assert "apl is the steadiest loss" in answer and "Sensitive: ral to clip." in answer
        _, answer = opening("cliff", seed)
        assert "ral is the steadiest loss" in answer and "Sensitive: apl to gamma_neg." in answer

    def test_noise_is_open_and_nobody_is_called_steadiest(self, seed):
        _, answer = opening("noisy", seed)
        assert "open, too noisy or incomplete" in answer and "steadiest" not in answer and "is steady" not in answer

    def test_at_chance_nothing_is_judged(self, seed):
        info, answer = opening("at chance", seed)
        assert answer.startswith("No loss is judged in any hyperparameter.")
        assert "apl, ral and bce are not surely better than a constant predictor" in answer
        assert {cell.judged.status for cell in info.verdicts.cells.values()} == {NOT_JUDGED}

    def test_divergence_is_never_steady(self, seed):
        info, answer = opening("diverged", seed)
        assert info.verdicts.cells["ral", "gamma_neg"].judged.status == SENSITIVE
        assert "Sensitive: ral to gamma_neg" in answer

    def test_missing_trials_are_counted(self, seed):
        _, answer = opening("unfinished", seed)
        num_planned = 6 * (9 + 13 + 1)  # settings of apl, ral and bce
        assert f"{3 * 13} of {num_planned} planned trials are missing." in answer
        assert "Not judged: ral, the default has 3 of 6 seeds." in answer and "ral is steady" not in answer


def test_three_seeds_name_nothing(rng):
    _, answer = opening("cliff", 0, num_seeds=3)
    assert answer.startswith("With 3 seeds no interval can be trusted") and "Sensitive" not in answer


def test_the_ranking_compares_what_the_losses_share(rng):
    info, _ = opening("slope", 0)
    assert info.ranking.compared == ["clip", "gamma_neg"]  # hill_lambda is of ral alone
    assert shared_hyperparameters(info.verdicts.cells.values()) == ["clip", "gamma_neg"]
    rows = Ranking().rows(info.ranking)
    assert rows.loss.tolist() == ["apl", "ral", "bce"] and rows["in"].tolist()[2] == "–"


def test_the_worst_is_the_surest_drop_and_not_the_lowest_mean():
    """Two cells: -0.05 with a wide interval, -0.04 that is sure."""
    info, _ = opening("slope", 0)
    cell = info.verdicts.cells["ral", "clip"]
    drops = [
        cell.judged.drop._replace(value=v, low=low, high=high)
        for v, low, high in ((-0.05, -0.2, 0.1), (-0.04, -0.05, -0.03))
    ]
    cells = [cell._replace(judged=cell.judged._replace(drop=drop)) for drop in drops]
    assert worst_of(cells) is cells[1]


def test_the_page_opens_with_sentences_grid_and_ranking(rng):
    page = render(table(rng, slope))
    places = [page.index(f'<section id="{key}"') for key in ("answer", "ranking", "overview", "verdicts")]
    assert places == sorted(places)
    assert all(f"{sign} {verdict}" in page for verdict, sign in VERDICT_SIGNS.items()) and set(VERDICT_SIGNS) == set(
        VERDICTS
    )
