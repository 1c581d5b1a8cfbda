"""How a study and its trials are called in MLflow, in both directions: record -> tags, parameters, metrics -> record.

Few tags are for people (`loss`, `design`, `moved`, `seed`, `state`); what a program needs bears the prefix.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, NamedTuple

from evenkeel.study.records.parquet import scores_of_classes
from evenkeel.study.records.record import TrialRecord
from evenkeel.trainables import Trial

TAG_PREFIX = "evenkeel."
KIND = f"{TAG_PREFIX}kind"
"""`study`, `loss` or `trial`."""
TRIAL_ID = f"{TAG_PREFIX}trial_id"
IDENTITY = f"{TAG_PREFIX}identity"
LAYOUT = f"{TAG_PREFIX}layout"
CURRENT_LAYOUT = "2"
"""Runs of another layout are logged again."""
RECORD, FACTS, OLD_FACTS = f"{TAG_PREFIX}record", f"{TAG_PREFIX}facts", f"{TAG_PREFIX}study"
NOTE = "mlflow.note.content"
TAG_CHARS = 4000
"""A tag holds at most 5000 characters in the oldest MLflow that is supported."""

STATUS = {"done": "FINISHED", "diverged": "KILLED", "failed": "FAILED", "censored": "KILLED"}
UNTAGGED_PARTS = ("metrics", "curves", "files")
"""Parts of a record that are not in its tag: metrics, or left to the ledger. Of classes it has the test scores."""
CURVE, PER_CLASS = "curve/", "per_class/"
MAX_CURVE_POINTS = 5
"""MLflow spends a millisecond on every four metrics; the ledger keeps every epoch, MLflow each n-th and the last."""


NOT_IN_A_KEY = re.compile(r"^\.|[^\w. -]")
"""What MLflow does not take in the last part of a metric's name, or takes for a folder."""
LONGEST_CLASS = 200


class Point(NamedTuple):
    """One value of a metric."""

    key: str
    value: float
    step: int


def split_into_tags(key: str, contents: dict[str, Any]) -> dict[str, str]:
    """`contents` as JSON in tags of limited length: `key.00`, `key.01`, ..."""
    text = json.dumps(contents, separators=(",", ":"))
    return {f"{key}.{i // TAG_CHARS:02d}": text[i : i + TAG_CHARS] for i in range(0, len(text), TAG_CHARS)}


def join_tags(key: str, tags: Mapping[str, str]) -> dict[str, Any]:
    """What `pieces` cut. Raises KeyError when nothing of it is there."""
    names = sorted(name for name in tags if name.startswith(f"{key}.") and name.removeprefix(f"{key}.").isdigit())
    if not names:
        raise KeyError(key)
    text = "".join(tags[name] for name in names)
    return json.JSONDecoder().raw_decode(text)[0]  # longer contents of a former time may have left pieces behind


def make_trial_tags(trial: Trial) -> dict[str, str]:
    """What is known of a trial before it runs."""
    readable = {"loss": trial.label, "design": trial.design, "seed": str(trial.seed)}
    moved = {"moved": trial.moved} if trial.moved else {}
    return {KIND: "trial", LAYOUT: CURRENT_LAYOUT, TRIAL_ID: trial.id, **readable, **moved}


def make_result_tags(record: TrialRecord) -> dict[str, str]:
    """What is known when it has run; the reason of a trial that is not done is the run's description."""
    contents = {key: value for key, value in record.to_json().items() if key not in (*UNTAGGED_PARTS, "note")}
    contents |= {"per_class": scores_of_classes(record)} if record.per_class else {}
    tags = {"state": record.state, **split_into_tags(RECORD, contents)}
    if record.note:
        tags |= {f"{TAG_PREFIX}note": record.note, NOTE: f"**{record.state}**\n\n```\n{record.note}\n```"}
    return tags


NO_NOTE = {f"{TAG_PREFIX}note": "", NOTE: ""}
"""Of a trial that failed before and is done now."""


def make_params(trial: Trial) -> dict[str, str]:
    """Hyperparameters as MLflow's charts take them: numbers as numbers, words without quotes."""
    return {key: v if isinstance(v, str) else json.dumps(v) for key, v in trial.setting.items()}


def make_metric_points(record: TrialRecord, classes: Sequence[str] = ()) -> Iterator[Point]:
    """The record's metrics in groups (`test/f1_tail`, `val/map`, `curve/train_loss`, and `per_class/test_f1/cat` where
    the classes are named), where they are finite."""
    for name, value in record.metrics.items():
        if value is not None and math.isfinite(value):
            yield Point(name.replace("_", "/", 1), value, 0)
    for name, curve in record.curves.items():
        stride = math.ceil(len(curve) / MAX_CURVE_POINTS)
        for epoch, value in enumerate(curve, start=1):
            if value is not None and math.isfinite(value) and (len(curve) - epoch) % stride == 0:
                yield Point(f"{CURVE}{name}", value, epoch)
    keys = [NOT_IN_A_KEY.sub("_", name)[:LONGEST_CLASS] for name in classes]
    for name, values in record.per_class.items():
        for key, value in zip(keys, values, strict=False):
            if value is not None and math.isfinite(value):
                yield Point(f"{PER_CLASS}{name}/{key}", value, 0)


def make_run_name(trial: Trial) -> str:
    """What moved, and the seed: `ral, hill_lambda 3, seed 1`."""
    setting = f"{trial.design} {trial.id[:6]}"
    if trial.design in ("sweep", "pair"):
        moved = trial.moved.split(", ") if trial.moved else []
        setting = ", ".join(f"{name} {_short(trial.setting[name])}" for name in moved) or "default"
    elif trial.design == "confirm":
        setting = "confirm default" if trial.group is None else f"confirm tuned {trial.group}"
    return f"{trial.label}, {setting}, seed {trial.seed}"


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def read_record(
    tags: Mapping[str, str], make_params: Mapping[str, str], metrics: Mapping[str, float]
) -> tuple[str, TrialRecord]:
    """(trial id, record) of a run, without curves, and of classes the test scores alone. KeyError for one that runs."""
    if LAYOUT not in tags:
        return _old_record(tags, make_params, metrics)
    record = TrialRecord.from_json(join_tags(RECORD, tags), checked=True)  # a part of what was written, with its hash
    values: dict[str, float | None] = {
        key.replace("/", "_", 1): value for key, value in metrics.items() if not key.startswith((CURVE, PER_CLASS))
    }
    return record.id, replace(record, note=tags.get(f"{TAG_PREFIX}note") or None, metrics=values)


def _old_record(
    tags: Mapping[str, str], make_params: Mapping[str, str], metrics: Mapping[str, float]
) -> tuple[str, TrialRecord]:
    """What versions up to 0.2.0 logged: a tag for each field, no identity of data and trainable."""
    tag = SimpleNamespace(**{key.removeprefix(TAG_PREFIX): value for key, value in tags.items()})
    trial = Trial(
        loss=tag.loss_name,
        hyperparameters={key: json.loads(value) for key, value in make_params.items()},
        seed=int(tag.seed),
        data={},
        trainable={},
        design=tag.design,
        label=tag.loss,
        group=int(tag.group) if tag.group else None,
    )
    record = TrialRecord(
        study="",
        trial=trial,
        state=tag.state,
        started=0,
        ended=0,
        metrics={key: value for key, value in metrics.items() if not key.startswith("curve_")},
        epochs_done=int(tag.epochs_done),
        wall_s=float(tag.wall_s),
        loss_path=getattr(tag, "loss_path", ""),
        note=tag.note or None,
        host=tag.host,
        versions=dict(text.split(" ", 1) for text in tag.versions.split(", ") if " " in text),
    )
    return tag.trial_id, record
