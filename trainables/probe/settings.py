"""What a study file says about a probe: a head per trial on frozen features."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.data.settings import Sampling
from evenkeel.trainables.measures import Needs
from evenkeel.trainables.models.settings import Backbone
from evenkeel.trainables.recipe import Recipe, architecture
from evenkeel.trainables.seeded_settings import SeededSettings
from evenkeel.trainables.seeds import Source

if TYPE_CHECKING:
    from evenkeel.trainables.probe.features import FeatureStore


class Probe(SeededSettings):
    """A head per trial on frozen features; the same budget for every trial, no early stopping."""

    worker_class: ClassVar[str] = "train:ProbeWorker"
    gives: ClassVar[tuple[Needs, ...]] = ("scores", "logits")
    name: Literal["probe"] = "probe"
    backbone: Backbone
    image_size: int = Field(ge=8, le=10_000, description="side of the square to which images are resized")
    epochs: int = Field(20, ge=1, le=1_000_000, description="the budget of every trial")
    batch: int = Field(256, ge=1, le=1_000_000, description="rows a step")
    lr: float = Field(5e-3, gt=0, le=1000, description="learning rate of AdamW")
    weight_decay: float = Field(1e-4, ge=0, le=1000, description="of AdamW")
    schedule: Literal["cosine", "constant"] = Field("cosine", description="of the learning rate over the budget")
    hidden: int = Field(0, ge=0, le=100_000, description="0: a linear head; else the units of one hidden layer")
    sampling: Sampling | None = Field(None, description="class-weighted sampling; every row once an epoch if none")
    bias: Literal["prior", "zero"] = Field("prior", description="where the heads' biases start")
    precision: Literal["float32", "float64"] = Field("float32", description="of features and heads")

    def identity(self, data: DataSet) -> dict[str, Any]:
        """The settings; what is switched off is left out, so that new switches keep ids.

        Where validation rows are carved by seed, nothing is fitted on them (`fitted_on`).
        """
        settings = self.model_dump(mode="json", exclude_none=True) | {"backbone": self.backbone.identity()}
        return settings | ({"fitted_on": "train rows of the seed"} if data.validation else {})

    def fixed(self, data: DataSet) -> dict[Source, str]:
        """Published features are the same for every seed."""
        is_random = self.backbone.warm_start or not (self.backbone.pretrained or self.backbone.weights)
        return super().fixed(data) | (
            {} if is_random else {"backbone": "its weights are given; add backbone.warm_start"}
        )

    def summary(self) -> dict[str, str]:
        """Backbone and budget, for a report's header."""
        head = f"head with {self.hidden} hidden units" if self.hidden else "linear head"
        start = " after a warm start" if self.backbone.warm_start else ""
        return {
            "backbone": f"{self.backbone.name}, {self.backbone.origin()}, frozen{start}",
            "training": f"one {head} per trial, {self.epochs} epochs, batch {self.batch}, lr {self.lr:g}",
        }

    def images_words(self) -> str:
        """What images become, in a line. Raises TrainableError for an unknown model, or where nothing says so."""
        return self.backbone.images_words(self.image_size)

    def recipe(self) -> Recipe:
        """Model and image size, for what stands beside a paper's numbers."""
        return Recipe(self.name, architecture(self.backbone.name), self.image_size)

    def prepared(self, data: DataSet, cache: Path) -> "FeatureStore | None":
        """The features, if those of the first seed are there already; needs no torch."""
        from evenkeel.trainables.probe.features import FeatureStore

        store = FeatureStore(self, data, cache)
        return store if store.ready() else None
