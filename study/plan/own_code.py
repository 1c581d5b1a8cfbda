"""Code of a user's own that a study names, tried before any cluster time: losses, data set, trainable, measures."""

from evenkeel.search_spaces import Float
from evenkeel.study.errors import UserError
from evenkeel.study.file.losses import LossEntry
from evenkeel.study.file.study import StudyConfig
from evenkeel.trainables import TrainableError
from evenkeel.trainables.measures import measure
from evenkeel.trainables.measures.own import OwnMeasure

MOVED_SHARES = (0.25, 0.75)
"""Where in their ranges real hyperparameters are moved to, beside the defaults, for a pack of three settings."""


def check_own_code(config: StudyConfig) -> None:
    """Raises UserError, one line, for code that does not keep to its contract; without such code imports nothing."""
    _check_losses(config, None)
    if ":" not in f"{config.data.name}{config.trainable.name}":
        return
    from evenkeel.trainables.contract import check_data_set, check_trainable

    try:
        if ":" in config.data.name:
            check_data_set(config.data)
        if ":" in config.trainable.name:
            check_trainable(config.trainable, config.data)
    except TrainableError as error:
        raise UserError(str(error)) from error


def check_with_classes(config: StudyConfig, num_classes: int) -> None:
    """The same for losses and measures, with so many classes as the data have (0: not known). Raises UserError."""
    _check_losses(config, num_classes or None)
    _check_measures(config, num_classes or None)


def _check_losses(config: StudyConfig, num_classes: int | None) -> None:
    losses = [loss for loss in config.losses if ":" in loss.loss]
    if not losses:
        return
    from evenkeel.trainables.loss_contract import OwnLoss, check_losses

    own = [OwnLoss(entry.label, entry.loss, _settings(entry), one_label=entry.space().one_label) for entry in losses]
    try:
        check_losses(own, num_classes)
    except TrainableError as error:
        raise UserError(str(error)) from error


def _check_measures(config: StudyConfig, num_classes: int | None) -> None:
    own = [name for name in config.all_measures if isinstance(measure(name), OwnMeasure)]
    if not own:
        return
    from evenkeel.trainables.contract import check_measures

    try:
        check_measures(own, num_classes)
    except TrainableError as error:
        raise UserError(str(error)) from error


def _settings(entry: LossEntry) -> list[dict[str, object]]:
    """The defaults, and the real hyperparameters moved within their ranges."""
    real = {name: p for name, p in entry.space().parameters.items() if isinstance(p, Float)}
    moved = ({name: parameter.at(share) for name, parameter in real.items()} for share in MOVED_SHARES)
    return [entry.setting(), *(entry.setting(**values) for values in moved)]
