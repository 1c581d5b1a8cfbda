"""Opens a study: its facts are written beside its records, and its experiment is opened in MLflow."""

from evenkeel.reports.facts import DataFacts
from evenkeel.study.file.locations import config_without_secrets
from evenkeel.study.records.facts import make_study_facts, read_facts
from evenkeel.study.records.record import StudyRecord
from evenkeel.study.run.prepare_run import PreparedRun
from evenkeel.study.tracking.description import describe_study
from evenkeel.study.tracking.tracker import OpenExperiment, Tracker
from evenkeel.trainables.data.split_facts import SplitFacts


def open_tracking(prepared: PreparedRun, tracker: Tracker, data: SplitFacts | DataFacts) -> None:
    """Write study.json from the facts of the `data`, and let the tracker fill MLflow with what is recorded already."""
    config, ledger = prepared.config, prepared.ledger
    former = read_facts(prepared.stored.summary) if prepared.entries and prepared.stored else None
    facts = make_study_facts(config, data, prepared.num_planned, former)
    study = ledger.write_study(
        StudyRecord(config_without_secrets(config), facts.to_json(), sources=prepared.planner.sources)
    )
    description = describe_study(facts, per_class=config.tracking_per_class)
    order = OpenExperiment(study.identity, description, study.summary, sorted(ledger.retired_ids()))
    tracker.start(order, ledger.records() if prepared.entries else (), prepared.total)
