"""timm's own factories for what trains a whole model: optimiser, schedule, layer decay, weight averaging."""

from typing import Any

import torch
from torch import nn

from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.models.settings import Optimisation
from evenkeel.trainables.models.torchvision_pair import import_torchvision


def make_optimiser(module: nn.Module, settings: Optimisation) -> torch.optim.Optimizer:
    """An optimiser by timm's name; norms and biases are not decayed. Raises TrainableError for an unknown name."""
    import_torchvision()
    from timm.optim import create_optimizer_v2

    try:
        return create_optimizer_v2(
            module,
            opt=settings.optimiser,
            lr=settings.lr,
            weight_decay=settings.weight_decay,
            layer_decay=settings.layer_decay,
            **settings.optimiser_args,
        )
    except (AssertionError, ValueError, TypeError, KeyError) as error:
        raise TrainableError(f"trainable.optimiser: timm makes no {settings.optimiser!r} ({error})") from error


def make_schedule(optimiser: torch.optim.Optimizer, settings: Optimisation, steps_per_epoch: int) -> Any:
    """timm's schedule by step: call `.step_update(step)` before each; None for a constant rate."""
    import_torchvision()
    from timm.scheduler import create_scheduler_v2

    if settings.schedule == "constant":
        return None
    schedule, _ = create_scheduler_v2(
        optimiser,
        sched=settings.schedule,
        num_epochs=settings.epochs - settings.warmup_epochs,
        warmup_prefix=True,  # the cosine begins at `lr` where the warm-up ends; else it runs underneath
        warmup_epochs=settings.warmup_epochs,
        warmup_lr=0.0,
        min_lr=settings.min_lr,
        step_on_epochs=False,
        updates_per_epoch=steps_per_epoch,
    )
    return schedule


def make_average(module: nn.Module, decay: float) -> Any:
    """timm's exponential moving average of a model: `.update(module, step=)`, the average is `.module`."""
    import_torchvision()
    from timm.utils import ModelEmaV3

    return ModelEmaV3(module, decay=decay)


def with_classifier(module: nn.Module, num_classes: int) -> nn.Linear:
    """Give a timm model without one a new classifier. Raises TrainableError for a model whose is not one layer."""
    device = next(module.parameters()).device
    module.reset_classifier(num_classes)  # type: ignore[operator]
    module.to(device)
    return classifier_of(module)


def classifier_of(module: nn.Module) -> nn.Linear:
    """The last layer of a timm model. Raises TrainableError for a model without a single linear one."""
    classifier = module.get_classifier()  # type: ignore[operator]
    if not isinstance(classifier, nn.Linear):
        raise TrainableError(f"trainable.backbone.name: the classifier is a {type(classifier).__name__}, not one layer")
    return classifier
