"""The text of a first study file: every key with what it is for, guesses marked."""

from collections.abc import Iterator
from typing import Any

import yaml

from evenkeel.study.commands.presets import SCHEMA_LINE
from evenkeel.study.exchange.columns import better
from evenkeel.study.plain_text import visible
from evenkeel.trainables.data.guess.guess import Guess
from evenkeel.trainables.function.first_look import FirstLook
from evenkeel.trainables.measures import METRICS

CHECK = "# check: "
"""Begins a comment on what was guessed."""
HEAD = f"""{SCHEMA_LINE}
# Written by `evenkeel init`. Lines after "{CHECK.strip()}" were guessed. All keys: evenkeel presets --keys
"""
TRAINABLE = f"""
trainable:
  name: probe                 # one linear head per trial, on features that a backbone gives once
  image_size: 64
  backbone:
{CHECK}a tiny network, trained here first, which needs no download; a larger one gives other answers:
{CHECK}name: resnet50, weights: FILE (or pretrained: true), without warm_start
    name: test_resnet
    warm_start: {{epochs: 6, lr: 0.003, batch: 64}}
  epochs: 20
  lr: 0.005
"""
DESIGN = """
designs:
  sweep: {levels: 5}          # one hyperparameter at a time; sobol and search: evenkeel presets demo
seeds: 5                      # repetitions; verdicts need some, and say how many more would settle them
"""
ONE_LABEL_LOSSES = "[bce, asl, ce, focal-softmax]"
LOSSES = "[bce, asl, ral]"


def data_study(name: str, guess: Guess) -> str:
    """A study of losses on the data that were guessed."""
    one_label = guess.summary is not None and list(guess.summary.labels_per_image) == [1]
    losses = f"losses: {ONE_LABEL_LOSSES if one_label else LOSSES}   # evenkeel losses lists the others\n"
    metric = "metric: map                   # mean average precision over classes\nmargin: 0.01                  # "
    metric += "how much may be lost and still be called steady\n"
    return f"{HEAD}name: {_flow(name)}\n{_data(guess)}{TRAINABLE}{losses}{DESIGN}{metric}"


def function_study(name: str, look: FirstLook, guess: Guess | None) -> str:
    """A study of a training function; `guess` are the images beside it, for one that takes `data`."""
    lines = [HEAD, f"name: {_flow(name)}\n", *_function(look)]
    if guess:
        lines.append(_data(guess))
    elif "data" in look.supplied:
        lines.append(
            f"{CHECK}no images lie here; digits that come with evenkeel stand for them\ndata: {{name: digits-mlt}}\n"
        )
    if "loss" in look.supplied:
        lines.append("losses: [bce, asl]            # evenkeel losses lists the others\n")
    if look.spaces:
        lines.append(f"{CHECK}ranges about the defaults of the signature\nspaces:\n")
        lines += [f"  {key}: {_flow(space)}\n" for key, space in look.spaces.items()]
    return "".join([*lines, DESIGN, *_metric(look)])


def _metric(look: FirstLook) -> Iterator[str]:
    """What the function returns; a score that is none of ours with its direction, by its name."""
    if look.metric is None:
        yield f"{CHECK}any metric of predictions, or one that the function returns\n"
    elif look.metric not in METRICS:
        yield f"{CHECK}a score of the function's own; is higher or lower better?\n"
        yield f"measures: [{{name: {_flow(look.metric)}, better: {better(look.metric) or 'higher'}}}]\n"
    yield f"metric: {_flow(look.metric or 'accuracy')}\n"


def _function(look: FirstLook) -> Iterator[str]:
    yield "trainable:\n"
    yield f"  name: {_flow(look.reference)}\n"
    for name in look.required:
        yield f"  {CHECK}the function gives it no default\n  {name}: 1\n"


def _data(guess: Guess) -> str:
    """The block of `data:`, with a comment above each key that was guessed."""
    unsure = {key: texts for key, texts in guess.unsure.items() if key not in guess.keys or key == "name"}
    lines = [f"  {CHECK}{visible(text)} ({key})\n" for key, texts in unsure.items() for text in texts]
    for key, value in guess.keys.items():
        if key not in unsure:
            lines += [f"  {CHECK}{visible(text)}\n" for text in guess.unsure.get(key, ())]
        lines.append(f"  {key}: {_flow(value)}\n")
    return "data:\n" + "".join(lines)


def _flow(value: Any) -> str:
    """A value as YAML writes it on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=1_000_000)
    return text.strip().removesuffix("...").strip()
