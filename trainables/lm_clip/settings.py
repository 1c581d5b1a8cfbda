"""What a study file says about LM-CLIP: all of a CLIP model trained by its contrastive loss plus a multi-label loss."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.data.settings import Sampling
from evenkeel.trainables.data.summary import DataSummary, Oddity
from evenkeel.trainables.measures import Needs
from evenkeel.trainables.models.caption_length import cut_captions, cut_sentences
from evenkeel.trainables.models.captions import Captions
from evenkeel.trainables.models.clip_files import ClipFiles
from evenkeel.trainables.models.clip_settings import Clip, Normalisation
from evenkeel.trainables.recipe import Recipe
from evenkeel.trainables.seeded_settings import SeededSettings
from evenkeel.trainables.seeds import Source
from evenkeel.trainables.settings import SWITCH, decisive

if TYPE_CHECKING:
    from evenkeel.trainables.models.clip_store import ClipStore

HARMLESS = ("checkpoint_minutes",)
"""Settings that change no number."""


class LmClip(SeededSettings):
    """L_CLIP + bal_weight L_BAL on a CLIP model (LM-CLIP paper); defaults are its settings for VOC-MLT, ViT-B/16."""

    worker_class: ClassVar[str] = "train:LmClipWorker"
    gives: ClassVar[tuple[Needs, ...]] = ("scores", "logits", "embeddings", "model")
    epoch_score: ClassVar[str | None] = "val_map"
    name: Literal["lm-clip"] = "lm-clip"
    model: Clip = Field(description="what is trained")
    image_size: int = Field(224, ge=8, le=10_000, description="pixels of a side")
    normalisation: Normalisation = Field(
        "model", description="of pixels: the model's own, CLIP's, ImageNet's or 0.5 (inception)"
    )
    trains: list[Literal["image", "text", "temperature"]] = Field(
        ["image", "text", "temperature"], description="the parts that are trained; the others stay as they are"
    )
    batch_norm: Literal["train", "frozen"] = Field("train", description="whether its statistics move, as published")
    bal_weight: float = Field(0.4, ge=0, le=1_000_000, description="lambda of the total; 0: the contrastive loss alone")
    contrastive_weight: float = Field(
        1.0, ge=0, le=1_000_000, description="of the contrastive loss; 0: the multi-label loss alone"
    )
    prompts_every: int = Field(
        1,
        ge=1,
        le=1_000_000,
        description="1: class prompts are encoded with gradient in every step; n: without, in every n-th",
    )
    temperature_cap: float | None = Field(
        None, gt=0, le=1_000_000, description="largest factor of the cosines; CLIP's own was 100"
    )
    epochs: int = Field(50, ge=0, le=1_000_000, description="0: the model as it is (zero-shot)")
    batch: int = Field(8, ge=1, le=1_000_000, description="images a step")
    micro_batch: Annotated[int | None, SWITCH] = Field(
        None, ge=1, le=1_000_000, description="images at once on the device; the whole batch if none"
    )
    lr: float = Field(1e-6, gt=0, le=1000, description="learning rate at the start")
    weight_decay: float = Field(0.01, ge=0, le=1000, description="of AdamW, on every parameter")
    beta1: float = Field(0.9, ge=0, lt=1, description="of AdamW")
    beta2: float = Field(0.98, ge=0, lt=1, description="of AdamW")
    epsilon: float = Field(1e-9, gt=0, le=1, description="of AdamW")
    schedule: Literal["cosine", "constant"] = Field("cosine", description="cosine: lowered after every epoch")
    schedule_epochs: int | None = Field(
        None, ge=1, le=1_000_000, description="epochs until the rate is 0; `epochs` if none"
    )
    sampling: Sampling | None = Field(None, description="class-weighted sampling; every row once an epoch if none")
    tied_sampling: bool = Field(False, description="the exponent of the sampling is the s of the loss, if it has one")
    captions: Annotated[Captions, SWITCH] = Captions()
    flip: float = Field(0.5, ge=0, le=1, description="share of the images that are mirrored in training")
    keep: Literal["last", "best"] = Field("last", description="the epoch that is scored; best: by validation mAP")
    scores: Literal["softmax", "sigmoid"] = Field("softmax", description="what ranks images and is cut at 0.5")
    precision: Literal["float32", "float64", "bfloat16"] = Field(
        "float32", description="of the towers; losses are float32 at least"
    )
    deterministic: bool = Field(False, description="the same bytes again, also on a GPU; slower there")
    checkpoint_minutes: float = Field(
        10.0, gt=0, le=1_000_000, description="how often a trial is saved, in case it is cut off"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "LmClip":
        if not self.bal_weight and not self.contrastive_weight:
            raise ValueError("bal_weight and contrastive_weight are both 0: nothing would be trained; give one")
        if self.tied_sampling and self.sampling is None:
            raise ValueError("tied_sampling: needs sampling; give sampling: {form: published}")
        return self

    def data_oddities(self, summary: DataSummary) -> list[Oddity]:
        """What captions lose where the text tower cuts them. Raises TrainableError for rows without a sentence."""
        self.captions.refuse(summary.captions)
        if not (self.contrastive_weight and self.epochs):
            return []
        if self.captions.source == "data":
            oddity = cut_sentences(summary.captions or [])
        else:
            oddity = cut_captions(self.captions, summary.label_sets)
        return [oddity] if oddity else []

    def identity(self, data: DataSet) -> dict[str, Any]:
        """The settings, files of weights replaced by hashes of their contents."""
        settings = {name: value for name, value in decisive(self).items() if name not in HARMLESS}
        return settings | {"model": self.model.identity(self.normalisation)}

    def fixed(self, data: DataSet) -> dict[Source, str]:
        """Nothing is added to the model that could start anew."""
        start: dict[Source, str] = {"init": "lm-clip adds no new weights to its model; vary order, or backbone"}
        return super().fixed(data) | start | self.model.fixed()

    def summary(self) -> dict[str, str]:
        """Model and budget, for a report's header."""
        trained = "zero-shot" if not self.epochs else f"trains {', '.join(self.trains)}"
        return {
            "model": f"{self.model.words()}, {trained}",
            "loss": f"{self.contrastive_weight:g} contrastive + {self.bal_weight:g} multi-label",
            "training": f"{self.epochs} epochs, batch {self.batch}, lr {self.lr:g}, {self.schedule}",
        }

    def images_words(self) -> str:
        """What images become, in a line. Raises TrainableError for an unknown model, or where nothing says so."""
        return self.model.images_words(self.image_size, self.normalisation)

    def recipe(self) -> Recipe:
        """Model and image size, for what stands beside a paper's numbers."""
        return Recipe(
            self.name,
            self.model.architecture(),
            self.image_size,
            bool(self.contrastive_weight),
            self.sampling is not None,
        )

    def prepared(self, data: DataSet, cache: Path) -> "ClipStore | None":
        """The store, if the model was pre-trained here already; where it is not pre-trained here nobody can tell."""
        files = ClipFiles(self.model, self.image_size, self.normalisation, data, cache, self.vary)
        return self.store(data, cache) if self.model.pretraining and files.model(0).exists() else None

    def store(self, data: DataSet, cache: Path, device: str = "cpu") -> "ClipStore":
        """Where what trials share lies or will lie."""
        from evenkeel.trainables.models.clip_store import ClipStore

        model, size, normalisation = self.model, self.image_size, self.normalisation
        return ClipStore(model, size, normalisation, self, data, cache, device, self.captions)
