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
    ledger = prepared.ledger
    study = write_study(prepared, data)
    description = describe_study(read_facts(study.summary), per_class=prepared.config.tracking_per_class)
    order = OpenExperiment(study.identity, description, study.summary, sorted(ledger.retired_ids()))
    tracker.start(order, ledger.records() if prepared.entries else (), prepared.total)


def write_study(prepared: PreparedRun, data: SplitFacts | DataFacts) -> StudyRecord:
    """Write study.json from the facts of the `data`."""
    former = read_facts(prepared.stored.summary) if prepared.entries and prepared.stored else None
    facts = make_study_facts(prepared.config, data, prepared.num_planned, former)
    contents = config_without_secrets(prepared.config)
    return prepared.ledger.write_study(StudyRecord(contents, facts.to_json(), sources=prepared.planner.sources))
