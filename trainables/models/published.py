"""How images become what a model takes, by the lists of timm and open_clip; of weights in a file, where it is sure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from evenkeel.trainables.errors import TrainableError, nearest
from evenkeel.trainables.models.clip_settings import Clip, Normalisation
from evenkeel.trainables.models.preprocessing import Preprocessing, read
from evenkeel.trainables.models.settings import HUB, Backbone
from evenkeel.trainables.models.torchvision_pair import import_torchvision

NORMALISATIONS = {"clip": "OPENAI_DATASET", "imagenet": "IMAGENET", "inception": "INCEPTION"}
"""What open_clip calls them."""


def check_name(backbone: Backbone, key: str = "trainable.backbone") -> None:
    """Raises TrainableError for a model or weights that its library does not list; a hub is not asked."""
    import_torchvision()
    if backbone.name.startswith(HUB):
        return
    if backbone.library == "open_clip":
        check_clip_name(backbone.name, backbone.pretrained, key)
        return
    import timm

    name, _, tag = backbone.name.partition(".")
    if name not in timm.list_models():
        raise TrainableError(f"{key}.name: timm has no model {name!r}; {nearest(name, timm.list_models())}")
    if tag and isinstance(backbone.pretrained, str):
        raise TrainableError(f"{key}.pretrained: {backbone.name} names its weights already; give pretrained: true")
    tag = backbone.pretrained if isinstance(backbone.pretrained, str) else tag
    tags = [other.partition(".")[2] for other in timm.list_pretrained(f"{name}.*")]
    if tag and tag not in tags:
        raise TrainableError(f"{key}.pretrained: timm has no weights {tag!r} of {backbone.name}; {_choices(tags)}")


def check_clip_name(name: str, tag: str | bool | None, key: str = "trainable.model") -> None:
    """The same of a model of open_clip."""
    import_torchvision()
    import open_clip

    if name not in open_clip.list_models():
        raise TrainableError(f"{key}.name: open_clip has no model {name!r}; {nearest(name, open_clip.list_models())}")
    tags = open_clip.list_pretrained_tags_by_model(name)
    if tag is True:
        raise TrainableError(f"{key}.pretrained: open_clip wants the name of weights, {_choices(tags)}, not true")
    if tag and tag not in tags:
        raise TrainableError(f"{key}.pretrained: open_clip has no weights {tag!r} of {name}; {_choices(tags)}")


def _choices(tags: list[str]) -> str:
    return f"one of {', '.join(tags)}" if tags else "none is listed for this model"


def preprocessing(backbone: Backbone, key: str = "trainable.backbone", from_file: bool = False) -> Preprocessing | None:
    """What the images of a backbone become; None for a model of a hub, which says so itself once it is fetched.

    Raises TrainableError for weights `from_file` of a model whose published weights differ, where nothing says which.
    """
    statistics, source = _given(backbone, key)
    mean, std = statistics["mean"], statistics["std"]
    if mean and std:
        return Preprocessing(tuple(mean), tuple(std), "", source)
    from_file = from_file or bool(backbone.weights)
    stated = _of_model(backbone, from_file, key, f"give {key}.mean and {key}.std")
    return stated and replace(stated, mean=tuple(mean or stated.mean), std=tuple(std or stated.std))


def _given(backbone: Backbone, key: str) -> tuple[dict[str, Any], str]:
    """Mean and std that the study gives, as keys or in what it passes to the library, and where it does."""
    argument = {"timm": "pretrained_cfg_overlay", "open_clip": "force_preprocess_cfg"}[backbone.library]
    passed = backbone.model_args.get(argument)
    passed = passed if isinstance(passed, Mapping) else {}
    source = f"{key}.mean and std" if backbone.mean or backbone.std else f"{key}.model_args.{argument}"
    return {name: getattr(backbone, name) or passed.get(name) for name in ("mean", "std")}, source


def _of_model(backbone: Backbone, from_file: bool, key: str, ways: str) -> Preprocessing | None:
    if stated := backbone.stated(key):
        _check_architecture(backbone, stated, ways)
        return stated
    if backbone.name.startswith(HUB):
        return None
    if backbone.library == "open_clip":
        return _of_open_clip(backbone.name, str(backbone.pretrained or ""), from_file, ways)
    return _of_timm(backbone, from_file, f"{ways}, or name the weights, as in {key}.name: {{}}")


def clip_preprocessing(clip: Clip, normalisation: Normalisation) -> Preprocessing | None:
    """The same of a CLIP model. Raises TrainableError, also for a name that is not listed."""
    if clip.name:
        check_clip_name(clip.name, clip.pretrained)
    if normalisation != "model":
        from open_clip import constants

        mean, std = (getattr(constants, f"{NORMALISATIONS[normalisation]}_{part}") for part in ("MEAN", "STD"))
        return Preprocessing(mean, std, "", f"trainable.normalisation: {normalisation}")
    if stated := clip.stated(normalisation):
        return stated
    if clip.image:
        check_name(clip.image, "trainable.model.image")
        return preprocessing(clip.image, "trainable.model.image", bool(clip.weights))
    ways = f"give trainable.normalisation: {', '.join(NORMALISATIONS)}"
    return _of_open_clip(clip.name or "", clip.pretrained or "", bool(clip.weights), ways)


def _check_architecture(backbone: Backbone, stated: Preprocessing, ways: str) -> None:
    name = backbone.name.partition(".")[0]
    if stated.architecture not in (None, name):
        raise TrainableError(
            f"{backbone.weights_file()}: {stated.source} is of {stated.architecture}, not of {name}; {ways}"
        )


def _of_timm(backbone: Backbone, from_file: bool, ways: str) -> Preprocessing:
    from timm.data import resolve_data_config
    from timm.models import get_arch_pretrained_cfgs, get_pretrained_cfg

    name = f"{backbone.name}.{backbone.pretrained}" if isinstance(backbone.pretrained, str) else backbone.name
    if from_file and "." not in name:
        tags = {
            tag: resolve_data_config(pretrained_cfg=c.to_dict()) for tag, c in get_arch_pretrained_cfgs(name).items()
        }
        _refuse_several(name, tags, ways)
    config = get_pretrained_cfg(name)
    full = f"{config.architecture}.{config.tag}" if config and config.tag else name
    stated = read(resolve_data_config(pretrained_cfg=config.to_dict() if config else {}), f"timm's {full}")
    assert stated
    return stated if backbone.pretrained else replace(stated, sizing="")  # of a file, or of random weights, unknown


def _of_open_clip(name: str, tag: str, from_file: bool, ways: str) -> Preprocessing:
    import open_clip
    from open_clip.transform import PreprocessCfg

    plain = vars(PreprocessCfg())

    def config(name_of_weights: str) -> dict[str, Any]:
        return plain | {
            key: v for key, v in open_clip.get_pretrained_cfg(name, name_of_weights).items() if key in plain and v
        }

    if from_file:
        tags = {tag_name: config(tag_name) for tag_name in open_clip.list_pretrained_tags_by_model(name)}
        _refuse_several(name, tags | {"open_clip itself": plain}, ways)
    stated = read({"preprocess_cfg": config(tag) if tag else plain}, f"open_clip's {name} {tag}".rstrip())
    assert stated
    return stated if tag else replace(stated, sizing="")


def _refuse_several(name: str, tags: Mapping[str, Mapping[str, Any]], ways: str) -> None:
    """Raises TrainableError where published weights of one model want images of several kinds."""
    kinds = {(tuple(config["mean"]), tuple(config["std"])): tag for tag, config in tags.items()}
    if len(kinds) > 1:
        means = "; ".join(f"mean {' '.join(f'{v:.3g}' for v in mean)} ({tag})" for (mean, _), tag in kinds.items())
        raise TrainableError(
            f"a file of weights of {name} does not say how its images were normalised, and published ones differ: "
            f"{means}; {ways.format(next(iter(kinds.values())))}"
        )
