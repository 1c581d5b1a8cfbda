"""Whether the trials of a search may end early, and by which score they are judged each epoch."""

from typing import TYPE_CHECKING, Any

from evenkeel.trainables.function.settings import Function
from evenkeel.trainables.function.signature import signature_of
from evenkeel.trainables.measures import METRICS, columns

if TYPE_CHECKING:
    from evenkeel.study.file.designs import SearchDesign
    from evenkeel.study.file.study import StudyConfig

BIASED = (
    "what is left of it would be chosen by its outcome, which biases the curves; only designs.search takes a pruner"
)


def refuse_pruner(designs: Any) -> Any:
    """Designs as a study file has them. Raises ValueError for a pruner where none may be."""
    for name in ("sweep", "sobol"):
        if isinstance(designs, dict) and isinstance(designs.get(name), dict) and "pruner" in designs[name]:
            raise ValueError(f"{name}.pruner: {BIASED}")
    return designs


def epoch_score(study: "StudyConfig") -> str | None:
    """The validation score that trials report each epoch; None where they report none."""
    if isinstance(study.trainable, Function):
        return f"val_{study.metric}"
    return getattr(study.trainable, "epoch_score", None)


def epoch_sign(study: "StudyConfig", score: str) -> int:
    """1 where a higher one is better, -1 where a lower one is."""
    column = (columns(dict.fromkeys(METRICS.values())) | study.declared_columns).get(score.removeprefix("val_"))
    return -1 if column and column.better == "lower" else 1


def num_epochs(study: "StudyConfig") -> int | None:
    """How many epochs a trial has; None where the trainable does not say."""
    epochs = study.trainable.model_dump().get("epochs")
    return epochs if isinstance(epochs, int) else None


def check_pruner(study: "StudyConfig") -> None:
    """The trials of a search that may be stopped report epochs, and each is a proposal by itself."""
    if study.designs.search is None or study.designs.search.pruner is None:
        return
    if problem := _problem(study, study.designs.search):
        raise ValueError(f"designs.search.pruner: {problem}")


def _problem(study: "StudyConfig", search: "SearchDesign") -> str | None:
    if epoch_score(study) is None:
        return (
            f"{study.trainable.name} ends no trial of a pack before the others; leave the pruner out, or take a "
            "trainable that reports epochs: finetune, lm-clip, a training function"
        )
    for reference in _list_functions(study):
        if "report" not in signature_of(reference).supplied:
            return f"{reference} reports no epochs; let it take `report` and call report(epoch, val_{study.metric}=...)"
    if search.pruner == "hyperband" and num_epochs(study) is None:
        return "hyperband must know how many epochs a trial has; let the function take `epochs`, or choose asha"
    if search.seeds_per_group > 1:
        return "a proposal that is averaged over seeds is not stopped by one of them; set seeds_per_group: 1"
    return None


def _list_functions(study: "StudyConfig") -> list[str]:
    """The training functions of a study; none where it has another trainable."""
    if not isinstance(study.trainable, Function):
        return []
    return list(dict.fromkeys(entry.function for entry in study.methods)) or [study.trainable.name]
