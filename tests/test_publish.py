"""What MLflow shows of a study besides its trials: summaries while it runs, files at its end."""

import csv
import time

import pytest
import yaml

from evenkeel.reports.table.trial_table import facts_of
from evenkeel.study.records.record import StudyRecord
from evenkeel.study.tracking.attachments import write_attachments
from evenkeel.study.tracking.periodic_summary import SUMMARY_TIME_SHARE, PeriodicSummary
from evenkeel.study.tracking.summaries import summarize_losses
from tests.synthetic import table
from tests.test_ledger import record
from tests.test_sections import STUDIES, sharp


def test_papers_are_the_study_the_plan_the_report_and_a_figure_a_loss(tmp_path, rng):
    trials, planned = table(rng, sharp), [record(seed=seed).trial for seed in range(3)]
    record_of_it, runs = StudyRecord({"name": "tiny", "seeds": [0, 1, 2]}, {}), "http://there/runs?id={trial_id}"
    study, *losses = write_attachments(record_of_it, trials, planned, tmp_path, runs)
    assert study.label is None and {order.label for order in losses} == {"apl", "ral"}
    assert yaml.safe_load((study.folder / "study.yaml").read_text()) == {"name": "tiny", "seeds": [0, 1, 2]}
    rows = list(csv.DictReader((study.folder / "plan.csv").open()))
    assert [row["trial_id"] for row in rows] == [trial.id for trial in planned]
    assert [float(row["gamma_neg"]) for row in rows] == [trial.setting["gamma_neg"] for trial in planned]
    report = (study.folder / "report.html").read_text()
    assert "How the score moves" in report and f'"runs": {{"synthetic": "{runs}"}}' in report
    assert all((order.folder / "robustness.html").stat().st_size < 2.5e6 for order in losses)


@pytest.mark.parametrize("kind", ["empty", "one trial", "all diverged", "all failed"])
def test_of_a_poor_study_there_is_a_report_too(kind, tmp_path, rng):
    trials = STUDIES[kind](rng)
    study, *_ = write_attachments(StudyRecord({"name": "tiny"}, {}), trials, [], tmp_path)
    assert (study.folder / "report.html").exists() and set(summarize_losses(trials)) == set(facts_of(trials).losses)


def test_a_parent_says_how_its_loss_does(rng):
    trials = table(rng, sharp)
    found = summarize_losses(trials)["ral"]
    default = trials[(trials.loss == "ral") & (trials.design == "sweep") & trials.moved.isna()].test_f1
    assert abs(found.numbers["default/score"] - default.mean()) < 1e-12
    assert found.numbers["default/low"] < found.numbers["default/score"] < found.numbers["default/high"]
    assert found.words["verdict/gamma_neg"] == "sensitive" and found.numbers["worst_drop/gamma_neg"] < -0.01


class TestRenewal:
    """Now and then, when there is something new, and never for long."""

    def run(self, seconds, work, version, said=None):
        with PeriodicSummary(work, version, (said if said is not None else []).append, every_s=0.01):
            time.sleep(seconds)

    def test_only_when_something_is_new(self):
        done, versions = [], iter([0, 0, 0, 1, 1, 2, *[2] * 1000])
        self.run(0.3, lambda: done.append(1), lambda: next(versions))
        assert len(done) == 2

    def test_takes_a_small_share_of_the_time(self):
        done, versions = [], iter(range(1000))

        def work():
            time.sleep(0.05)
            done.append(1)

        self.run(0.4, work, lambda: next(versions))
        assert 0.05 / SUMMARY_TIME_SHARE > 0.4 and len(done) == 1

    def test_what_goes_wrong_is_said_and_stops_it(self):
        said, versions = [], iter(range(1000))
        self.run(0.2, lambda: 1 / 0, lambda: next(versions), said)
        assert len(said) == 1 and "ZeroDivisionError" in said[0]
