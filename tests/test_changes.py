"""A study with a search that changed: its labels, their order and number retire nothing of another loss."""

import shutil
from typing import NamedTuple

import pytest

from evenkeel.study.errors import UserError
from evenkeel.study.file.read import load_study
from evenkeel.study.plan.changes import find_changes
from evenkeel.study.plan.planner import make_planner
from evenkeel.study.plan.study_searches import StudySearches
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.records.table import table_from_ledger
from evenkeel.trainables.trial import identity_of
from tests.test_engine import run, shown
from tests.test_pack_queue import MemoryJournal

STUDY = """
name: tiny
trainable: {name: "benchmarks.instant:Instant"}
data: {name: digits-mlt}
losses: [{loss: asl, fixed: {focusing: full}}]
designs: {search: {trials: 4, batch: 2, fresh_seeds: 2}}
seeds: 1
"""
ASL, RENAMED = "{loss: asl, fixed: {focusing: full}}", "{loss: asl, label: ASL (ours), fixed: {focusing: full}}"


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(STUDY)
    return path


def ids(storage):
    return Ledger(str(storage), "tiny").ids()


def designs(storage):
    table = table_from_ledger(Ledger(str(storage), "tiny"))
    return table.groupby(["loss", "design"]).size().to_dict()


def test_another_loss_keeps_every_searched_trial(study, tmp_path, untracked):
    run(study, tmp_path / "st")
    before = ids(tmp_path / "st")
    outcome, display = run(study, tmp_path / "st", f"losses=[hill, {ASL}]")
    assert before < ids(tmp_path / "st") and outcome.num_new == 8
    assert any("all 8 recorded trials stay usable" in text for text in display.said)
    run(study, tmp_path / "st", f"losses=[{ASL}, hill]")
    assert outcome.states == {"done": 16}


def test_a_loss_that_is_dropped_takes_only_its_own_trials(study, tmp_path, untracked):
    both = f"losses=[hill, {ASL}]"
    run(study, tmp_path / "st", both)
    with pytest.raises(UserError, match="8 of 16 recorded trials are still usable"):
        run(study, tmp_path / "st")
    outcome, _ = run(study, tmp_path / "st", accept_changes=True)
    assert outcome.num_new == 0 and outcome.states == {"done": 8}


def test_a_label_decides_nothing_and_is_shown_as_it_is_now(study, tmp_path):
    """Of a sweep and of a search, in records, table and MLflow."""
    more = ["designs.sweep={levels: 2}"]
    run(study, tmp_path / "st", *more)
    before, count = ids(tmp_path / "st"), designs(tmp_path / "st")
    outcome, _ = run(study, tmp_path / "st", f"losses=[{RENAMED}]", *more)
    assert outcome.num_new == 0 and ids(tmp_path / "st") == before
    assert not Ledger(str(tmp_path / "st"), "tiny").retired_ids()
    assert designs(tmp_path / "st") == {("ASL (ours)", design): num for (_, design), num in count.items()}
    client, losses = shown(tmp_path / "st", "loss")
    assert set(losses) == {"ASL (ours)"}
    _, trials = shown(tmp_path / "st", "trial")
    assert {run.data.tags["loss"] for run in trials.values()} == {"ASL (ours)"}
    assert {run.data.tags["mlflow.parentRunId"] for run in trials.values()} == {losses["ASL (ours)"].info.run_id}


def test_two_losses_that_swap_their_labels_keep_their_trials(study, tmp_path, untracked):
    first = "losses=[{loss: asl, label: a, fixed: {focusing: full}}, {loss: hill, label: b}]"
    second = "losses=[{loss: hill, label: a}, {loss: asl, label: b, fixed: {focusing: full}}]"
    run(study, tmp_path / "st", first)
    table = table_from_ledger(Ledger(str(tmp_path / "st"), "tiny")).set_index("trial_id")
    outcome, _ = run(study, tmp_path / "st", second)
    swapped = table_from_ledger(Ledger(str(tmp_path / "st"), "tiny")).set_index("trial_id")
    assert outcome.num_new == 0
    assert swapped.loss.to_dict() == table.loss.map({"a": "b", "b": "a"}).to_dict()


def test_settings_of_ones_own_decide_a_search(tmp_path):
    """Of an ablation whose setting is edited, nothing is kept; one that is relabelled keeps all."""
    path = tmp_path / "ablation.yaml"
    path.write_text(
        STUDY.replace("benchmarks.instant:Instant", "probe").replace("name: tiny", "name: tiny\nextends: demo")
    )

    def planned(*entries):
        return make_planner(load_study(str(path), [f"losses=[{', '.join(entries)}]"]))

    first = "{loss: focal, label: a, settings: {lr: 0.01}}"
    second = "{loss: focal, label: b, settings: {lr: 0.02}}"
    before = planned(first, second)
    trials = {trial.id: trial for trial in StudySearches(before, MemoryJournal()).ask(8, 1, {})}
    recorded = {i: Recorded(t.label, t.design, identity_of(t.data, t.trainable)) for i, t in trials.items()}

    def changes(planner):
        return find_changes(before.config.model_dump(mode="json"), {}, planner, planner.planned(), recorded)

    edited = changes(planned(first, second.replace("0.02", "0.03")))
    assert {trials[i].label for i in edited.unusable} == {"b"} and len(edited.unusable) == len(trials) / 2
    renamed = changes(planned(second.replace("label: b", "label: a"), first.replace("label: a", "label: b")))
    assert renamed.unusable == [] and renamed.labels == {i: {"a": "b", "b": "a"}[t.label] for i, t in trials.items()}


class Recorded(NamedTuple):
    label: str
    design: str
    identity: str


def test_a_search_with_more_proposals_goes_on_from_those_that_are_there(study, tmp_path):
    """And ends where one ends that had as many from the start; a winner that was beaten leaves."""
    run(study, tmp_path / "st")
    before = table_from_ledger(Ledger(str(tmp_path / "st"), "tiny"))
    outcome, _ = run(study, tmp_path / "st", "designs.search.trials=9", "designs.search.fresh_seeds=3")
    after = table_from_ledger(Ledger(str(tmp_path / "st"), "tiny"))
    assert set(before[before.design == "search"].trial_id) < set(after.trial_id)
    run(study, tmp_path / "new", "designs.search.trials=9", "designs.search.fresh_seeds=3")
    assert ids(tmp_path / "st") == ids(tmp_path / "new")
    assert after.groupby("design").size().to_dict() == {"search": 9, "confirm": 6}
    assert len(shown(tmp_path / "st", "trial")[1]) == 15
    again, _ = run(study, tmp_path / "st", "designs.search.trials=9", "designs.search.fresh_seeds=3", runner=None)
    assert again.num_new == 0


def test_another_sampler_or_metric_is_another_search(study, tmp_path, untracked):
    run(study, tmp_path / "st")
    for change in ("designs.search.sampler=random", "metric=map", "designs.search.trials=3", "designs.search.seed=1"):
        with pytest.raises(UserError, match=r"0 of 8 recorded trials are still usable"):
            run(study, tmp_path / "st", change)


def test_a_search_in_two_groups_runs_each_trial_once(study, tmp_path, untracked):
    """The default is confirmed for all groups together; a proposal that comes twice runs once."""
    outcome, display = run(study, tmp_path / "st", "designs.search.groups=2", "seeds=2", "designs.search.trials=6")
    assert outcome.num_new == display.total == len(ids(tmp_path / "st")) == 2 * 6 + 3 * 2


def test_a_search_goes_on_from_records_alone_and_how_it_runs_may_change(study, tmp_path, untracked):
    """As one does that an earlier version began, which kept no journal."""
    run(study, tmp_path / "st")
    before = ids(tmp_path / "st")
    shutil.rmtree(tmp_path / "st" / "searches")
    changes = ["designs.search.batch=3", "designs.search.start=[{clip: 0.1}]", "designs.search.trials=6"]
    outcome, _ = run(study, tmp_path / "st", *changes)
    searched = [r for r in Ledger(str(tmp_path / "st"), "tiny").records() if r.trial.design == "search"]
    assert before & {r.id for r in searched} == {r.id for r in searched if r.trial.proposal < 4} and len(searched) == 6
    assert [r.trial.hyperparameters["clip"] for r in searched if r.trial.proposal == 4] == [0.1]


def test_what_cmaes_leaves_to_chance_is_said_once(study, tmp_path, untracked):
    chance = ["losses=[ral]", "designs.search.sampler=cmaes", "designs.search.trials=12"]
    _, display = run(study, tmp_path / "st", *chance)
    assert [text for text in display.said if "cmaes" in text] == [
        "search: cmaes moves two numbers or more together; drawn at random: focusing"
    ]
