"""The experiment of a study: found by its identity, restored or replaced with a word, described to its reader."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

from evenkeel.study.tracking.messages import Setup, StudyDescription
from evenkeel.study.tracking.reader import find_by_identity
from evenkeel.study.tracking.tags import IDENTITY, KIND, NOTE, TAG_PREFIX, TRIAL_ID

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

KIND_OF_EXPERIMENT = {"mlflow.experimentKind": "custom_model_development"}
TRAINING = "workflowType=machine_learning"
"""By both an experiment opens as model training, not as the development of an agent: MLflow used to go by its kind, and
today goes by the address, else by a switch that each browser keeps."""

MENU_SWITCH = (
    "MLflow's menu fits a study when the switch at the top left is set to *Model training*; a browser remembers it."
)


def open_experiment(client: "MlflowClient", setup: Setup, identity: str, say: Callable[[str], None]) -> str:
    """The id of the study's experiment.

    A deleted one is restored. A name that is taken, by another study or by a deleted experiment, gets an ending.
    """
    experiment = find_by_identity(client, identity)
    if experiment is None:
        return _create(client, setup, identity, say)
    if experiment.lifecycle_stage != "active":
        client.restore_experiment(experiment.experiment_id)
        say(f"the experiment {experiment.name!r} had been deleted in MLflow; it is restored")
    return experiment.experiment_id


def _create(client: "MlflowClient", setup: Setup, identity: str, say: Callable[[str], None]) -> str:
    taken = client.get_experiment_by_name(setup.study)
    if taken and _adopted(taken, setup):
        client.set_experiment_tag(taken.experiment_id, IDENTITY, identity)
        return taken.experiment_id
    name = f"{setup.study}-{identity[:6]}" if taken else setup.study
    if taken:
        state = "deleted" if taken.lifecycle_stage != "active" else "of another study"
        say(f"MLflow's experiment {setup.study!r} is {state}; this study is logged as {name!r}")
    tags = {IDENTITY: identity, KIND: "study", **KIND_OF_EXPERIMENT}
    return client.create_experiment(name, artifact_location=setup.artifacts, tags=tags)


def _adopted(taken: "Experiment", setup: Setup) -> bool:
    """Whether it is this study's own, of a time when experiments bore no identity: only in its own database."""
    return taken.lifecycle_stage == "active" and IDENTITY not in taken.tags and setup.artifacts is not None


def make_experiment_tags(about: StudyDescription, experiment: str) -> dict[str, str]:
    """The tags by which an experiment says what it is, how to read it and where to click."""
    text = "\n".join(
        [
            f"**{about.name}**: how steady is a loss when its hyperparameters move? {about.description}",
            "",
            f"{about.data}, {len(about.seeds)} seeds, judged by {about.metric} on test. Each loss is one run with a "
            "summary; its trials are its children. Metrics come as `test/...`, `val/...` and `curve/...`. "
            f"{MENU_SWITCH}",
            "",
            *(f"- [{words}](#/experiments/{experiment}{place})" for words, place in make_links(about).items()),
        ]
    )
    return {NOTE: text, f"{TAG_PREFIX}about": about.name, **KIND_OF_EXPERIMENT}


def make_links(about: StudyDescription) -> dict[str, str]:
    """Where to click: words -> the end of a UI address, behind the experiment.

    The UI shows trials on their own, not folded into their losses, where it sorts by a metric.
    """
    addresses = {"the losses, with their verdicts": _runs(f"tags.`{KIND}` = 'loss'")}
    addresses["all runs"] = f"/runs?{TRAINING}"
    order = f"metrics.`test/{about.metric}`"
    for name in about.swept:
        addresses[f"{name}, moved from its default"] = _runs(f"tags.moved = '{name}'", order=order, chart=True)
    addresses["trials that diverged"] = _runs("tags.state = 'diverged'", order=order)
    addresses["trials that failed"] = _runs("tags.state = 'failed'", order=order)
    for label in about.losses:
        addresses[f"best trials of {label}"] = _runs(f"tags.loss = '{label}' and tags.`{KIND}` = 'trial'", order=order)
    one_seed = _runs(f"tags.seed = '{about.seeds[0]}'", order=order, chart=True)
    return addresses | {f"the trials of seed {about.seeds[0]} side by side": one_seed}


def make_trial_link(server: str, experiment: str) -> str:
    """The address of a trial's run, with `{trial_id}` in it."""
    search = quote(f"tags.`{TRIAL_ID}` = '") + "{trial_id}" + quote("'")
    return f"{server}/#/experiments/{experiment}/runs?{TRAINING}&searchFilter={search}"


def _runs(search: str, *, order: str = "", chart: bool = False) -> str:
    parts = {"searchFilter": search, "startTime": "ALL"}
    parts |= {"orderByKey": order, "orderByAsc": "false"} if order else {}
    parts |= {"compareRunsMode": "CHART"} if chart else {}
    return f"/runs?{TRAINING}&" + "&".join(f"{key}={quote(value, safe='')}" for key, value in parts.items())
