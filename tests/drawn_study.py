"""Studies of sweeps whose trials score as drawn, and which of them run where seeds or levels go where they decide."""

import numpy as np

from evenkeel.reports.facts import DataFacts
from evenkeel.reports.table.trial_table import TrialRow, trial_table
from evenkeel.study.file.read import load_study
from evenkeel.study.plan.adaptive_seeds import AdaptiveSeeds
from evenkeel.study.plan.planner import Planner
from evenkeel.study.records.facts import make_study_facts

LOSSES = "losses=[asl, {loss: ral, fixed: {focusing: full}}]"


def planner(*overrides):
    """Of the demo without its search, for two losses."""
    study = load_study("demo", [LOSSES, "designs.search=null", *overrides])
    return Planner(study, {"name": "digits-mlt"}, {"name": "x"})


class DrawnStudy:
    """The trials of a planner's sweep, each with the score `score(trial)`."""

    def __init__(self, planner, score):
        self.planner = planner
        self.sweep = [trial for trial in planner.planned() if trial.design == "sweep"]
        self.scores = {trial.id: score(trial) for trial in self.sweep}
        self.facts = make_study_facts(planner.config, DataFacts("none", floor={"map": 0.1}), {})

    def table(self, trials):
        rows = [
            TrialRow(
                trial_id=t.id, loss=t.label, loss_name=t.loss, design="sweep", seed=t.seed, moved=t.moved,
                state="done", hyperparameters=t.setting, metrics={"test_map": self.scores[t.id]},
            )
            for t in trials
        ]  # fmt: skip
        return trial_table(rows, self.facts)

    def run(self, order, recorded=(), stop_after=None):
        """Trials by id as they were recorded; those that wait run in any order, until so many are recorded."""
        done = {trial.id: trial for trial in self.sweep if trial.id in recorded}
        looks = AdaptiveSeeds(self.planner.config, self.planner.planned(), lambda: self.table(done.values()))
        waiting = [trial for trial in looks.find_due(done) if trial.id not in done]
        while waiting and (stop_after is None or len(done) < stop_after):
            trial = waiting.pop(order.integers(len(waiting)))
            done[trial.id] = trial
            waiting += looks.take(trial.id, done)
        return done

    def resumed(self, *stops):
        """Ids of the trials of runs in other orders, each killed after so many trials and begun again."""
        rng = np.random.default_rng(1)
        return [set(self.run(rng, recorded=self.run(rng, stop_after=num))) for num in stops]
