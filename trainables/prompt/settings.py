"""What a study file says about prompt tuning: learned context before the class names, both encoders frozen."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.data.settings import Sampling
from evenkeel.trainables.measures import Needs
from evenkeel.trainables.models.clip_files import ClipFiles
from evenkeel.trainables.models.clip_settings import Clip, Normalisation
from evenkeel.trainables.recipe import Recipe
from evenkeel.trainables.seeded_settings import SeededSettings
from evenkeel.trainables.seeds import Source
from evenkeel.trainables.settings import decisive

if TYPE_CHECKING:
    from evenkeel.trainables.models.clip_store import ClipStore


class Prompt(SeededSettings):
    """CoOp with any multi-label loss (Zhou et al. 2022); defaults are LMPT's published recipe (Xia et al. 2023)."""

    worker_class: ClassVar[str] = "train:PromptWorker"
    gives: ClassVar[tuple[Needs, ...]] = ("scores",)
    name: Literal["prompt"] = "prompt"
    model: Clip = Field(description="whose encoders are frozen")
    image_size: int = Field(224, ge=8, le=10_000, description="pixels of a side")
    normalisation: Normalisation = Field(
        "model", description="of pixels: the model's own, CLIP's, ImageNet's or 0.5 (inception)"
    )
    context: int = Field(16, ge=1, le=1000, description="learned tokens before the class name")
    per_class: bool = Field(True, description="each class learns its own context; else all share one")
    start: str | None = Field(None, description="words whose tokens the context starts as; random numbers if none")
    ending: str = Field(".", description="what follows the class name")
    epochs: int = Field(50, ge=0, le=1_000_000, description="0: the prompts as they start")
    batch: int = Field(64, ge=1, le=1_000_000, description="images a step")
    optimiser: Literal["sgd", "adamw"] = Field("sgd", description="what moves the context")
    lr: float = Field(5e-4, gt=0, le=1000, description="learning rate at the start")
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd")
    weight_decay: float = Field(1e-4, ge=0, le=1000, description="of the context")
    schedule: Literal["plateau", "cosine", "constant"] = Field(
        "plateau", description="plateau: a tenth of the rate when validation mAP has not risen for `patience` epochs"
    )
    patience: int = Field(5, ge=0, le=1_000_000, description="epochs of a plateau")
    sampling: Sampling | None = Field(None, description="class-weighted sampling; every row once an epoch if none")
    scores: Literal["softmax", "sigmoid"] = Field("softmax", description="what ranks images and is cut at 0.5")
    precision: Literal["float32", "float64"] = Field("float32", description="of embeddings and context")

    def identity(self, data: DataSet) -> dict[str, Any]:
        """The settings, files of weights replaced by hashes of their contents."""
        return decisive(self) | {"model": self.model.identity(self.normalisation)}

    def fixed(self, data: DataSet) -> dict[Source, str]:
        """Encoders that are published are the same for every seed, and so are given words."""
        start: dict[Source, str] = {"init": "the context starts as given words; leave trainable.start out"}
        return super().fixed(data) | (start if self.start else {}) | self.model.fixed()

    def summary(self) -> dict[str, str]:
        """Model and budget, for a report's header."""
        sharing = "a class" if self.per_class else "shared by all classes"
        return {
            "model": f"{self.model.words()}, both encoders frozen",
            "prompts": f"{self.context} learned tokens {sharing}",
            "training": f"{self.epochs} epochs, batch {self.batch}, {self.optimiser}, lr {self.lr:g}, {self.schedule}",
        }

    def images_words(self) -> str:
        """What images become, in a line. Raises TrainableError for an unknown model, or where nothing says so."""
        return self.model.images_words(self.image_size, self.normalisation)

    def recipe(self) -> Recipe:
        """Model and image size, for what stands beside a paper's numbers."""
        return Recipe(self.name, self.model.architecture(), self.image_size)

    def store(self, data: DataSet, cache: Path, device: str = "cpu") -> "ClipStore":
        """Where what trials share lies or will lie."""
        from evenkeel.trainables.models.clip_store import ClipStore

        return ClipStore(self.model, self.image_size, self.normalisation, self, data, cache, device)

    def prepared(self, data: DataSet, cache: Path) -> "ClipStore | None":
        """The store, if the embeddings of the images are there already."""
        files = ClipFiles(self.model, self.image_size, self.normalisation, data, cache, self.vary)
        return self.store(data, cache) if files.embeddings(0).exists() else None
