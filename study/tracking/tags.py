"""What MLflow is told of a study and a trial in words: experiment tags, run tags, run names."""

import json
from typing import Any

from study.records.record import TrialRecord
from trainables import Trial

PREFIX = "evenkeel."
STUDY_CHUNK = 4000


def study_tags(study: dict[str, Any]) -> dict[str, str]:
    """The resolved study as experiment tags (in pieces: a tag has a limited length), so a report needs MLflow alone."""
    text = json.dumps(study)
    pieces = [text[i : i + STUDY_CHUNK] for i in range(0, len(text), STUDY_CHUNK)]
    return {f"{PREFIX}study.{i:02d}": piece for i, piece in enumerate(pieces)} | {
        f"{PREFIX}study.pieces": str(len(pieces))
    }


def trial_tags(trial: Trial) -> dict[str, str]:
    """What is known of a trial before it runs: id, loss, design, seed, group."""
    return _prefixed(
        {
            "kind": "trial",
            "trial_id": trial.id,
            "loss": trial.label,
            "loss_name": trial.loss,
            "design": trial.design,
            "seed": trial.seed,
            "group": "" if trial.group is None else trial.group,
            "moved": trial.moved or "",
        }
    )


def result_tags(record: TrialRecord) -> dict[str, str]:
    """What is known when it has run: state, note, host, versions."""
    return _prefixed(
        {
            "state": record.state,
            "host": record.host,
            "wall_s": repr(record.wall_s),
            "epochs_done": record.epochs_done,
            "loss_path": record.loss_path,
            "note": record.note or "",
            "versions": versions_text(record),
        }
    )


def versions_text(record: TrialRecord) -> str:
    """`evenkeel 0.2.0, mlflow 3.7.0, ...`."""
    return ", ".join(f"{name} {number}" for name, number in sorted(record.versions.items()))


def _prefixed(tags: dict[str, Any]) -> dict[str, str]:
    return {f"{PREFIX}{key}": str(value) for key, value in tags.items()}


def run_name(trial: Trial) -> str:
    """Loss, design, seed and the beginning of the trial id."""
    return f"{trial.label} {trial.design} seed {trial.seed} {trial.id[:6]}"
