"""How many images a second does `finetune` train on, against the same training written plainly?

Plainly: timm's model and optimiser, a DataLoader that decodes JPEGs with as many workers as there are cores, PIL resize
and flip, float32, binary cross-entropy. Ours: the preset's way, images from the decoded cache, with what a user may
switch on besides: bfloat16, and images kept as JPEGs in the cache. Corel-5k's train images, one epoch of a part of
them; the rivals take turns, the fastest counts. Decoding into the cache is printed, not counted.
Run: make bench-finetune DATA=DIR  (some minutes)
"""

import argparse
import io
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from evenkeel.study.file.read import load_study
from evenkeel.trainables import Trial
from evenkeel.trainables.finetune.seed_images import DecodedImages
from evenkeel.trainables.finetune.settings import Finetune
from evenkeel.trainables.finetune.train import FinetuneRun
from evenkeel.trainables.models.torchvision_pair import import_torchvision

BATCH, LR = 32, 1e-4


class Jpegs(Dataset):
    """Train images of Corel-5k, decoded when asked for."""

    def __init__(self, path: Path, names: list[str], targets: np.ndarray, size: int) -> None:
        self.path, self.names, self.targets, self.size = path, names, torch.from_numpy(targets).float(), size
        self.archive: zipfile.ZipFile | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        from PIL import Image

        self.archive = self.archive or zipfile.ZipFile(self.path)
        image = Image.open(io.BytesIO(self.archive.read(self.names[row]))).convert("RGB")
        image = image.resize((self.size, self.size), Image.Resampling.BILINEAR)
        if torch.rand(()) < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        return (pixels - 0.5) / 0.5, self.targets[row]


def plain_epoch(data: Jpegs, model: str, workers: int) -> Callable[[], None]:
    """One epoch as a tutorial writes it."""
    import timm

    network = timm.create_model(model, num_classes=data.targets.shape[1]).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=LR)
    loader = DataLoader(data, batch_size=BATCH, shuffle=True, num_workers=workers)

    def epoch() -> None:
        for images, targets in loader:
            optimiser.zero_grad()
            torch.nn.functional.binary_cross_entropy_with_logits(network(images), targets).backward()
            optimiser.step()

    return epoch


def our_epoch(prepared: DecodedImages, folder: Path, num: int, **settings: Any) -> Callable[[], None]:
    """As many steps of a run."""
    trial = Trial(
        loss="bce", hyperparameters={}, seed=0, data={}, trainable={}, design="sweep", label="bce", settings=settings
    )
    run = FinetuneRun.of(trial, prepared.settings.with_changes(settings), prepared, folder)
    run.num_epoch_steps = 10**9  # no validation inside

    def epoch() -> None:
        for _ in range(-(-num // BATCH)):
            run.advance()

    return epoch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of Corel-5k")
    parser.add_argument("--model", default="mobilenetv2_100")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    import_torchvision()
    data, as_jpegs = (
        load_study("corel5k", [f"data.root={options.data}", f"data.stored={stored}"]).data
        for stored in ("pixels", "jpeg")
    )
    settings = Finetune.model_validate(
        {"name": "finetune", "backbone": {"name": options.model}, "image_size": options.size, "batch": BATCH, "lr": LR}
    )
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        prepared = DecodedImages.of(settings, data, Path(folder), "cpu")
        print(f"decoding {len(prepared.images.images):,} images once: {time.perf_counter() - started:.1f} s")
        with zipfile.ZipFile(options.data / "corel5k_train.zip") as archive:
            names = sorted(name for name in archive.namelist() if name.endswith((".jpg", ".jpeg")))[: options.images]
        targets = prepared.images.targets[: len(names)]
        jpegs = Jpegs(options.data / "corel5k_train.zip", names, targets, options.size)
        stored_jpegs = DecodedImages.of(settings, as_jpegs, Path(folder), "cpu")
        rivals = {
            "plain": plain_epoch(jpegs, options.model, options.threads),
            "finetune": our_epoch(prepared, Path(folder), len(names)),
            "finetune-bfloat16": our_epoch(prepared, Path(folder), len(names), precision="bfloat16"),
            "finetune-jpegs": our_epoch(stored_jpegs, Path(folder), len(names)),
        }
        seconds = {name: float("inf") for name in rivals}
        for _ in range(options.repeats):
            for name, epoch in rivals.items():
                started = time.perf_counter()
                epoch()
                seconds[name] = min(seconds[name], time.perf_counter() - started)
                print(f"{name}: {len(names)} images in {seconds[name]:.1f} s", flush=True)
    for name, taken in seconds.items():
        print(f"{name:20} {len(names) / taken:8.1f} images a second")
    for name in list(rivals)[1:]:
        print(f"ratio {name}/{options.model}/{options.size}/vs-plain {seconds['plain'] / seconds[name]:.2f}")


if __name__ == "__main__":
    main()
