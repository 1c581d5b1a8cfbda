"""How long does a training step of LM-CLIP take, beside the published way, at equal numbers?

The published way encodes all class prompts and all captions anew in every step, each text at the model's full 77
tokens; ours stops at the longest text, encodes equal captions once and updates by a fused AdamW. Same small CLIP (the
`test_resnet` tower beside a text tower of two layers), same images, order and mirroring, digits-mlt; steps of both
alternate, the fastest of each counts, and the losses of all steps must agree.
LmClipRun: python -m benchmarks.lm_clip_speed
"""

import argparse
import time
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from evenkeel.search_spaces import SPACES
from evenkeel.trainables import Trial
from evenkeel.trainables.cache import default_cache
from evenkeel.trainables.data.digits import DigitsMlt
from evenkeel.trainables.lm_clip.settings import LmClip
from evenkeel.trainables.lm_clip.train import LmClipRun
from evenkeel.trainables.losses import Bal
from evenkeel.trainables.models.captions import captions, class_prompts

CLIP = {"image": {"name": "test_resnet"}}


class Published:
    """A step as the published code takes it, on the same start and the same rows."""

    def __init__(self, run: LmClipRun) -> None:
        self.store, self.rows = run.store, run.data.rows["train"]
        self.model = self.store.model(0)
        images = self.store.images
        self.captions = self.model.text.tokens(captions(images.targets[self.rows], images.classes))
        self.prompts = self.model.text.tokens(class_prompts(images.classes))
        self.targets = torch.from_numpy(images.targets[self.rows]).float()
        self.loss = Bal(counts=tuple(self.targets.sum(0).int().tolist()))
        self.optimiser = torch.optim.AdamW(
            self.model.module.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-9, weight_decay=0.01
        )
        self.model.module.train()

    def step(self, rows: torch.Tensor, mirrored: torch.Tensor) -> float:
        module, normalise = self.model.module, torch.nn.functional.normalize
        pixels = torch.from_numpy(np.asarray(self.store.images.images[self.rows[rows.numpy()]]))
        pixels = torch.where(mirrored[:, None, None, None], pixels.flip(2), pixels)
        images = normalise(module.encode_image(self.model.pixels(pixels)), dim=-1)
        texts = normalise(module.encode_text(self.captions[rows]), dim=-1)
        prompts = normalise(module.encode_text(self.prompts), dim=-1)
        k, pairs = module.logit_scale.exp(), torch.arange(len(rows))
        similarity = k * images @ texts.T
        directions = (torch.nn.functional.cross_entropy(s, pairs) for s in (similarity, similarity.T))
        total = sum(directions) / 2 + 0.4 * self.loss(k * images @ prompts.T, self.targets[rows]).mean()
        self.optimiser.zero_grad()
        total.backward()
        self.optimiser.step()
        return total.item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--batch", type=int, default=8, help="8 as published")
    options = parser.parse_args()
    settings = LmClip.model_validate(
        {"model": CLIP, "image_size": 32, "epochs": 1, "lr": 1e-4, "batch": options.batch, "schedule": "constant"}
    )
    store = settings.worker().prepare(DigitsMlt(), Path(default_cache()))
    trial = Trial(
        loss="bal", hyperparameters=SPACES["bal"].defaults(), seed=0, data={}, trainable={}, design="sweep", label="bal"
    )
    ours = LmClipRun(trial, store, settings, Path(default_cache()) / "lm_clip_speed")
    published = Published(ours)
    ours.model.module.train()
    times: dict[str, list[float]] = {"published": [], "ours": []}
    furthest = 0.0
    order, mirrored = ours.drawn(0)
    batches = zip(order.split(options.batch), mirrored.split(options.batch), strict=True)
    for step, (rows, flips) in enumerate(islice(batches, options.steps)):
        started = time.perf_counter()
        theirs = published.step(rows, flips)
        between = time.perf_counter()
        own = ours.step(ours.loss, rows, flips, step) / len(rows)
        times["published"].append(between - started)
        times["ours"].append(time.perf_counter() - between)
        furthest = max(furthest, abs(own - theirs) / abs(theirs))
    for name, taken in times.items():
        print(f"{name}: {1000 * min(taken):.1f} ms a step, median {1000 * float(np.median(taken)):.1f}")
    print(f"losses of {options.steps} steps differ by at most {furthest:.1e} of their value")
    print(f"ratio lm_clip_step {min(times['published']) / min(times['ours']):.2f}")


if __name__ == "__main__":
    main()
