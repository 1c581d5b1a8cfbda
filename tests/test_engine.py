"""A whole study in this process, with real training and a real MLflow database."""

import sqlite3
from collections import Counter
from contextlib import closing
from functools import partial

import pandas as pd
import pytest
import torch
from mlflow import MlflowClient

from evenkeel.reports.table.trial_table import facts_of
from evenkeel.study.errors import UserError
from evenkeel.study.file.locations import own_database_uri
from evenkeel.study.file.read import load_study
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.records.table import table_from_ledger
from evenkeel.study.run import engine, execute_run
from evenkeel.study.run.lease import Lease
from evenkeel.study.run.serial_runner import SerialRunner
from evenkeel.study.tracking import periodic_summary
from evenkeel.study.tracking.mlflow_table import table_from_mlflow
from evenkeel.trainables.probe.train import ProbeWorker


class Silent:
    """A display that remembers what was said."""

    def __init__(self):
        self.said, self.states = [], Counter()

    def say(self, text):
        self.said.append(text)

    def begin(self, total, states):
        self.total, self.recorded = total, states.total()

    def update(self, states, num_new):
        self.states, self.num_new = states, num_new

    def end(self): ...


def run(study, storage, *overrides, runner=SerialRunner, **options):
    display = Silent()
    config = load_study(str(study), list(overrides))
    outcome = engine.run_study(config, engine.RunOptions(storage=str(storage), **options), lambda s: runner(), display)
    return outcome, display


class Killed(SerialRunner):
    """Dies in the middle, as a driver that is killed does: nothing after the second pack is heard of."""

    def run(self, queue, context, say, fail):
        from evenkeel.study.run.worker import run_pack

        first = queue.next_pack()
        queue.finish(first.number, run_pack(first, context))
        run_pack(queue.next_pack(), context)
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The tiny study, run once."""
    from tests.conftest import TINY

    folder = tmp_path_factory.mktemp("finished")
    (folder / "tiny.yaml").write_text(TINY)
    outcome, display = run(folder / "tiny.yaml", folder / "storage")
    return folder, outcome, display


def ledger_of(storage):
    return Ledger(str(storage), "tiny")


def same_numbers(one: pd.DataFrame, other: pd.DataFrame, tolerance=0.0):
    drop = ["wall_s", "host", "versions"]
    pd.testing.assert_frame_equal(one.drop(columns=drop), other.drop(columns=drop), rtol=tolerance, atol=tolerance)


def test_everything_planned_and_searched_is_done(finished):
    folder, outcome, display = finished
    table = table_from_ledger(ledger_of(folder / "storage"))
    assert outcome.num_untracked == 0 and outcome.states == {"done": len(table)} == dict(display.states)
    assert display.total == len(table)
    assert set(table.design) == {"sweep", "sobol", "search", "confirm"}
    facts = facts_of(table)
    swept = table[(table.design == "sweep") & table.moved.notna()]
    for (loss, name), rows in swept.groupby(["loss", "moved"]):
        levels = {*rows[f"hp.{name}"], facts.losses[loss].defaults[name]}
        assert set(facts.losses[loss].levels[name]) == levels
    assert 0 < facts.floor < 1 and facts.data.floor["mauc"] == 0.5 and sum(facts.data.positives["test"]) > 100
    confirmed = table[table.design == "confirm"]
    assert set(confirmed.seed) == {2, 3} and not set(confirmed.seed) & set(table[table.design == "sweep"].seed)


def test_packs_of_a_measured_size_give_the_same_table(finished, tmp_path, monkeypatch):
    """Trials of the tiny study take milliseconds: after the first packs all that is left of a seed is one pack."""
    monkeypatch.setattr("evenkeel.study.run.pack_sizing.FIRST_PACK_TRIALS", 2)
    folder, *_ = finished
    run(folder / "tiny.yaml", tmp_path, "resources.pack_size=null")
    tables = [table_from_ledger(ledger_of(place)) for place in (folder / "storage", tmp_path)]
    same_numbers(*(table.drop(columns="pack") if "pack" in table else table for table in tables))
    sizes = Counter(record.pack for record in ledger_of(tmp_path).records())
    assert min(sizes.values()) <= 2 < 8 <= max(sizes.values())


def test_running_again_runs_nothing(finished):
    folder, outcome, _ = finished
    again, display = run(folder / "tiny.yaml", folder / "storage", runner=None)  # none is made
    assert again.num_new == 0 and again.states == outcome.states and not display.said


def test_mlflow_alone_gives_the_same_table(finished):
    folder, *_ = finished
    from_ledger = table_from_ledger(ledger_of(folder / "storage"))
    from_mlflow = table_from_mlflow(own_database_uri(folder / "storage"), "tiny")
    pd.testing.assert_frame_equal(from_ledger, from_mlflow)
    assert facts_of(from_ledger) == facts_of(from_mlflow)


def shown(storage, kind):
    """The runs of a kind by name, and MLflow's client."""
    client = MlflowClient(own_database_uri(storage))
    experiment = client.get_experiment_by_name("tiny").experiment_id
    found = client.search_runs([experiment], f"tags.`evenkeel.kind` = '{kind}'")
    return client, {run.info.run_name: run for run in found}


def test_mlflow_shows_the_whole_study(finished):
    folder, *_ = finished
    table = table_from_ledger(ledger_of(folder / "storage"))
    client, found = shown(folder / "storage", "study")
    files = {file.path: file.file_size for file in client.list_artifacts(found["tiny: report"].info.run_id)}
    assert set(files) == {"plan.csv", "report.html", "study.yaml"} and min(files.values()) > 100
    client, losses = shown(folder / "storage", "loss")
    for label, rows in table.groupby("loss"):
        numbers = losses[label].data.metrics
        assert numbers["trials/recorded"] == numbers["trials/planned"] == len(rows) and numbers["rate/diverged"] == 0
        figures = [file.path for file in client.list_artifacts(losses[label].info.run_id)]
        assert figures == ([] if label == "bce" else ["robustness.html"])
    default = table[(table.loss == "ral") & (table.design == "sweep") & table.moved.isna()].test_f1
    assert losses["ral"].data.metrics["default/score"] == pytest.approx(default.mean())


def test_what_was_deleted_in_mlflow_comes_back_when_asked(finished, tmp_path):
    folder, *_ = finished
    small = (folder / "tiny.yaml", tmp_path, "designs.search=null", "designs.sobol=null")
    run(*small)
    client, before = shown(tmp_path, "trial")
    for found in list(before.values())[:3]:
        client.delete_run(found.info.run_id)
    run(*small, runner=None)
    assert len(shown(tmp_path, "trial")[1]) == len(before) - 3  # nobody asked
    run(*small, runner=None, track_again=True)
    again = shown(tmp_path, "trial")[1]
    assert {n: (r.data.metrics, r.data.params) for n, r in again.items()} == {
        n: (r.data.metrics, r.data.params) for n, r in before.items()
    }


def test_scores_are_renewed_while_trials_run(finished, tmp_path, monkeypatch):
    folder, *_ = finished
    monkeypatch.setattr(periodic_summary, "SUMMARY_TIME_SHARE", 1.0)
    monkeypatch.setattr(execute_run, "PeriodicSummary", partial(periodic_summary.PeriodicSummary, every_s=0.05))
    run(folder / "tiny.yaml", tmp_path)
    client, losses = shown(tmp_path, "loss")
    history = client.get_metric_history(losses["ral"].info.run_id, "default/score")
    assert len(history) > 1
    same_numbers(table_from_ledger(ledger_of(tmp_path)), table_from_ledger(ledger_of(folder / "storage")), 1e-6)


def test_a_killed_study_goes_on_and_ends_the_same(finished, tmp_path):
    folder, *_ = finished
    with pytest.raises(KeyboardInterrupt):
        run(folder / "tiny.yaml", tmp_path, runner=Killed)
    recorded = ledger_of(tmp_path).ids()
    outcome, _ = run(folder / "tiny.yaml", tmp_path)
    whole = table_from_ledger(ledger_of(folder / "storage"))
    assert outcome.num_new == len(whole) - len(recorded) and 0 < len(recorded) < len(whole)
    same_numbers(table_from_ledger(ledger_of(tmp_path)), whole, 1e-6)
    same_numbers(table_from_mlflow(own_database_uri(tmp_path), "tiny"), whole, 1e-6)


def test_failed_trials_are_recorded_and_repeated_on_request(finished, tmp_path, monkeypatch):
    folder, *_ = finished
    working = ProbeWorker.run

    def breaks(worker, trials, *rest):
        if any(t.design == "sobol" and t.loss == "bce" for t in trials):
            raise ArithmeticError("a bad day")
        return working(worker, trials, *rest)

    small = ("designs.search=null", "designs.sweep=null", "resources.retries=0")
    with monkeypatch.context() as patch:
        patch.setattr(ProbeWorker, "run", breaks)
        outcome, _ = run(folder / "tiny.yaml", tmp_path, *small)
    assert outcome.states["failed"] == 2 and outcome.states["done"] == 8
    failed = [r for r in ledger_of(tmp_path).read_all().values() if r.state == "failed"]
    assert all("ArithmeticError: a bad day" in r.note for r in failed)
    assert run(folder / "tiny.yaml", tmp_path, *small)[0].num_new == 0
    outcome, _ = run(folder / "tiny.yaml", tmp_path, *small, retry_failed=True)
    assert outcome.num_new == 2 and outcome.states == {"done": 10}


def test_a_pack_that_does_not_fit_is_halved(finished, tmp_path, monkeypatch):
    folder, *_ = finished
    working, sizes = ProbeWorker.run, []

    def hungry(worker, trials, *rest):
        sizes.append(len(trials))
        if len(trials) > 2:
            raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes")
        return working(worker, trials, *rest)

    monkeypatch.setattr(ProbeWorker, "run", hungry)
    small = ("designs.search=null", "designs.sweep=null")
    outcome, _ = run(folder / "tiny.yaml", tmp_path, *small)
    assert outcome.states == {"done": 10} and max(sizes) > 2 and {1, 2} & set(sizes)
    monkeypatch.setattr(ProbeWorker, "run", working)
    run(folder / "tiny.yaml", tmp_path / "declared", *small, "resources.memory_gib=0.002")


class TestChanges:
    @pytest.fixture
    def storage(self, finished, tmp_path):
        import shutil

        shutil.copytree(finished[0] / "storage", tmp_path / "storage")
        return tmp_path / "storage"

    def test_an_extension_goes_on(self, finished, storage):
        more = "designs.sweep.hyperparameters=[clip, gamma_neg, hill_lambda, beta1]"
        outcome, display = run(finished[0] / "tiny.yaml", storage, more)
        assert outcome.num_new > 0 and any("extended" in text for text in display.said)

    def test_a_change_says_what_changed_and_what_is_usable(self, finished, storage):
        before = ledger_of(storage).ids()
        with pytest.raises(UserError, match=r"trainable.epochs. 0 of \d+ recorded trials are still usable"):
            run(finished[0] / "tiny.yaml", storage, "trainable.epochs=2")
        assert ledger_of(storage).ids() == before

    def test_an_accepted_change_sets_trials_aside(self, finished, storage):
        before = ledger_of(storage).ids()
        run(finished[0] / "tiny.yaml", storage, "trainable.epochs=2", "designs.search=null", accept_changes=True)
        ledger = ledger_of(storage)
        assert ledger.retired_ids() == before and not ledger.ids() & before
        table = table_from_mlflow(own_database_uri(storage), "tiny")
        assert set(table.trial_id) == ledger.ids() and (table.epochs_done == 2).all()

    def test_margin_and_resources_may_change(self, finished, storage):
        """A changed margin is kept in mind with the one that the trials were run with."""
        outcome, _ = run(finished[0] / "tiny.yaml", storage, "margin={f1: 0.02}", "resources.pack_size=3")
        facts = facts_of(table_from_ledger(ledger_of(storage)))
        assert outcome.num_new == 0 and facts.margins["f1"] == 0.02 and facts.margins["map"] == 0.01
        assert [former["f1"] for former in facts.former_margins] == [0.01]
        run(finished[0] / "tiny.yaml", storage, "margin={f1: 0.02}")
        assert len(facts_of(table_from_ledger(ledger_of(storage))).former_margins) == 1


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["trainable.backbone.name=test_resnt"], "did you mean 'test_resnet"),
        (
            ["losses=[bce, ce]", "designs.sweep.hyperparameters=null"],
            "losses: ce is made for one label an image, this data set has images with 2",
        ),
        (["trainable.image_size=64"], "digits-mlt is 32 pixels wide, got 64"),
        (["tracking=http://127.0.0.1:9"], "tracking http://127.0.0.1:9: does not answer"),
    ],
)
def test_bad_input_starts_nothing(finished, tmp_path, overrides, message):
    with pytest.raises(UserError, match=message):
        run(finished[0] / "tiny.yaml", tmp_path, *overrides)
    assert ledger_of(tmp_path).ids() == set()


def test_a_silent_server_may_be_accepted(finished, tmp_path):
    small = ("designs.search=null", "designs.sweep=null")
    server = "tracking=http://ann:s3cret@127.0.0.1:9"
    outcome, display = run(finished[0] / "tiny.yaml", tmp_path, *small, server, track_later=True)
    assert outcome.states == {"done": 10} and outcome.num_untracked == 10
    assert any("http://***127.0.0.1:9 does not answer" in text for text in display.said)
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(b"s3cret" in content for content in [*written, "".join(display.said).encode()])
    outcome, _ = run(finished[0] / "tiny.yaml", tmp_path, *small)
    assert outcome.num_new == outcome.num_untracked == 0
    assert len(table_from_mlflow(own_database_uri(tmp_path), "tiny")) == 10


def test_two_runs_of_a_study_keep_off_each_other(finished, tmp_path):
    with (
        Lease(ledger_of(finished[0] / "storage").folder, print).hold(),
        pytest.raises(UserError, match="another run of this study"),
    ):
        run(finished[0] / "tiny.yaml", finished[0] / "storage")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_ends_a_study_before_any_trial(tiny, finished, tmp_path):
    """Also where the features are there already."""
    with pytest.raises(UserError, match="resources.device: cuda, but torch .* sees no GPU on .*device: cpu"):
        run(tiny, tmp_path, "resources.device=cuda")
    assert not Ledger(str(tmp_path), "tiny").read_all()


def tracked(database):
    """Ids of the trials that a database of MLflow's has, read by sqlite: MLflow keeps a connection to the old file."""
    query = (
        "select t.value from runs r join tags t on t.run_uuid = r.run_uuid "
        "where r.lifecycle_stage = 'active' and t.key = 'evenkeel.trial_id'"
    )
    with closing(sqlite3.connect(database)) as connection:
        return {value for (value,) in connection.execute(query)}


@pytest.mark.parametrize("damage", ["header", "cut"])
def test_a_damaged_database_is_said_and_made_again_when_asked(finished, tmp_path, damage):
    """Nothing is missing in the ledger: the receipt alone would say that MLflow has everything."""
    small = (finished[0] / "tiny.yaml", tmp_path, "designs.search=null", "designs.sweep=null")
    run(*small)
    database, ids = tmp_path / "mlflow.db", ledger_of(tmp_path).ids()
    assert tracked(database) == ids
    content = database.read_bytes()
    database.write_bytes(b"x" * 4096 + content[4096:] if damage == "header" else content[: len(content) // 2])
    with pytest.raises(UserError, match=r"mlflow.db: MLflow's database is damaged .*--track-again"):
        run(*small, runner=None)
    _, display = run(*small, runner=None, track_again=True)
    assert any("set-aside/mlflow.db-0" in text for text in display.said)
    assert tracked(database) == ids
    assert run(*small, runner=None)[0].num_untracked == 0
