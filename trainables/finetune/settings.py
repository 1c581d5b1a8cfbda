"""What a study file says about fine-tuning: any timm backbone, all its weights trained."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.data.settings import Sampling
from evenkeel.trainables.loop.settings import Augmentation, Knobs
from evenkeel.trainables.measures import Needs
from evenkeel.trainables.models.settings import Backbone, Optimisation
from evenkeel.trainables.recipe import Recipe, architecture
from evenkeel.trainables.seeded_settings import SeededSettings
from evenkeel.trainables.seeds import Source

CHANGES_NO_NUMBER = {"checkpoint_minutes"}


class Finetune(Optimisation, SeededSettings):
    """A whole timm model a trial; the same budget for every trial, no early stopping."""

    worker_class: ClassVar[str] = "train:FinetuneWorker"
    gives: ClassVar[tuple[Needs, ...]] = ("scores", "logits", "embeddings", "model")
    epoch_score: ClassVar[str | None] = "val_f1"
    name: Literal["finetune"] = "finetune"
    backbone: Backbone = Field(description="any timm model, with a new classifier")
    image_size: int = Field(ge=8, le=10_000, description="pixels of a side")
    batch: int = Field(32, ge=1, le=1_000_000, description="images a step")
    micro_batch: int | None = Field(
        None, ge=1, le=1_000_000, description="images at once on the device; the whole batch if none"
    )
    clip_grad: float | None = Field(None, gt=0, description="the largest norm of all gradients together")
    ema: float | None = Field(None, gt=0, lt=1, description="decay of averaged weights, which are then what is scored")
    precision: Literal["float32", "bfloat16", "float16"] = Field("float32", description="autocast; losses in float32")
    channels_last: bool = Field(True, description="memory layout of images and weights")
    compile: bool = Field(False, description="training steps by torch.compile")
    freeze_batch_norm: bool = Field(False, description="batch norms keep the statistics they came with")
    augment: Augmentation = Field(Augmentation(), description="drawn anew for every image")
    sampling: Sampling | None = Field(None, description="class-weighted sampling; every row once an epoch if none")
    knobs: Knobs = Field(Knobs(), description="harm done to the train rows on purpose")
    bias: Literal["prior", "zero"] = Field("prior", description="where the classifier's biases start")
    deterministic: bool = Field(False, description="only operations that give the same bits every time")
    checkpoint_minutes: float = Field(10.0, ge=0, le=1_000_000, description="between two checkpoints of a trial")

    @field_validator("backbone")
    @classmethod
    def _trainable(cls, backbone: Backbone) -> Backbone:
        if backbone.library != "timm":
            raise ValueError(f"library: finetune trains timm models, not {backbone.library}; use lm-clip for those")
        if backbone.warm_start:
            raise ValueError("warm_start: finetune trains the backbone anyway; leave it out")
        return backbone

    def identity(self, data: DataSet) -> dict[str, Any]:
        """The settings that change numbers; weights by the hash of their file."""
        settings = self.model_dump(mode="json", exclude_none=True, exclude=CHANGES_NO_NUMBER)
        return settings | {"backbone": self.backbone.identity()}

    def fixed(self, data: DataSet) -> dict[Source, str]:
        """The backbone is trained anew in every trial; the knobs draw with the split."""
        fixed = super().fixed(data) if self.knobs == Knobs() else {}
        return fixed | {"backbone": "every trial trains its own; vary init"}

    def summary(self) -> dict[str, str]:
        """Backbone and budget, for a report's header."""
        rows = "" if self.knobs.fraction == 1 else f", {self.knobs.fraction:.0%} of the train rows"
        return {
            "backbone": f"{self.backbone.name}, {self.backbone.origin()}, fine-tuned whole",
            "training": f"{self.epochs} epochs{rows}, {self.optimiser}, batch {self.batch}, lr {self.lr:g}",
        }

    def images_words(self) -> str:
        """What images become, in a line. Raises TrainableError for an unknown model, or where nothing says so."""
        return self.backbone.images_words(self.image_size)

    def recipe(self) -> Recipe:
        """Model and image size, for what stands beside a paper's numbers."""
        return Recipe(self.name, architecture(self.backbone.name), self.image_size)

    def prepared(self, data: DataSet, cache: Path) -> None:
        """Images are decoded, or found decoded, where trials run."""
