"""What a study file says about a CLIP model: a published one by name, or small towers that are trained here."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.models.preprocessing import Preprocessing, hub_words, stated_beside
from evenkeel.trainables.models.remembered import remembered
from evenkeel.trainables.models.settings import Backbone, content_hash, file_words
from evenkeel.trainables.recipe import architecture
from evenkeel.trainables.seeds import Source
from evenkeel.trainables.settings import PathText, Settings, at_home, decisive

Normalisation = Literal["model", "clip", "imagenet", "inception"]
"""Of pixels: as the model was trained, or by statistics: OpenAI's, ImageNet's (D23: LM-CLIP's published code), 0.5."""


class Pretraining(Settings):
    """Contrastive pre-training here, in place of published weights: images against captions made of their labels."""

    pairs: Literal["train", "balanced-digits"] = Field(
        description="train: the train rows of the data set; balanced-digits: fresh scenes of digits-mlt's train digits"
    )
    num_pairs: int = Field(20_000, ge=1, le=1_000_000, description="scenes of balanced-digits")
    epochs: int = Field(8, ge=1, le=1_000_000, description="passes over the pairs")
    batch: int = Field(128, ge=2, le=1_000_000, description="pairs that are told apart in a step")
    lr: float = Field(1e-3, gt=0, le=1000, description="largest learning rate of its cycle")
    weight_decay: float = Field(0.05, ge=0, le=1000, description="of AdamW")


class TextTower(Settings):
    """A text transformer over CLIP's byte pairs."""

    width: int = Field(64, ge=8, le=100_000, description="of a token embedding")
    heads: int = Field(2, ge=1, le=1000, description="of attention")
    layers: int = Field(2, ge=1, le=1000, description="of the transformer")
    context_length: int = Field(77, ge=8, le=100_000, description="tokens that it reads")


class Clip(Settings):
    """An open_clip model by `name`, or a timm `image` tower beside a text tower of the size given."""

    name: str | None = Field(None, description="an open_clip model, as ViT-B-16")
    pretrained: str | None = Field(None, description="an open_clip tag, as openai")
    weights: PathText | None = Field(None, description="a local state dict of the whole model")
    weights_part: str | None = Field(None, description="which copy, where a checkpoint keeps several, as `teacher`")
    image: Backbone | None = Field(None, description="a timm model as image tower")
    text: TextTower = Field(TextTower(), description="the tower beside an `image` tower")
    embedding: int = Field(
        64, ge=2, le=100_000, description="width of the space that image and text share, for an `image` tower"
    )
    pretraining: Pretraining | None = Field(None, description="train both towers here before all trials")

    @model_validator(mode="after")
    def _one_source(self) -> "Clip":
        if (self.name is None) == (self.image is None):
            raise ValueError("give either name (an open_clip model) or image (a timm tower)")
        if self.pretrained and self.image:
            raise ValueError("pretrained: only for an open_clip model by name; give image.weights or weights")
        if self.pretrained and self.weights:
            raise ValueError("pretrained and weights exclude each other; give one")
        if self.weights_part and not self.weights:
            raise ValueError("weights_part: needs the weights of which it is a part")
        if self.image and (self.image.warm_start or self.image.library != "timm"):
            raise ValueError("image: must be a timm model without warm_start; give pretraining instead")
        return self

    def stated(self, normalisation: Normalisation) -> Preprocessing | None:
        """What a file beside the weights says of images, where the study leaves that to the model.

        Raises TrainableError.
        """
        if not self.weights or normalisation != "model":
            return None
        return stated_beside(self.weights_file(), "trainable.model")

    def images_words(self, size: int, normalisation: Normalisation) -> str:
        """What images become, in a line. Raises TrainableError where nothing says so."""
        if self.weights or (self.image and self.image.weights):
            return self._asked_words(size, normalisation)
        question = [self.model_dump(mode="json"), size, normalisation]
        return remembered(question, lambda: self._asked_words(size, normalisation))

    def _asked_words(self, size: int, normalisation: Normalisation) -> str:
        from evenkeel.trainables.models.published import clip_preprocessing

        stated = clip_preprocessing(self, normalisation)
        return stated.words(size) if stated else hub_words(size)

    def identity(self, normalisation: Normalisation) -> dict[str, Any]:
        """The settings, with files of weights replaced by hashes of their contents, and with what is said beside them.

        Raises TrainableError.
        """
        files: dict[str, Any] = {"weights": content_hash(self.weights_file())} if self.weights else {}
        if stated := self.stated(normalisation):
            files |= {"mean": list(stated.mean), "std": list(stated.std)}
        towers = {"image": self.image.identity()} if self.image else {"text": None, "embedding": None}
        return {name: value for name, value in (decisive(self) | towers | files).items() if value is not None}

    def architecture(self) -> str:
        """The open_clip model or the image tower, without tags."""
        return architecture(self.name or (self.image.name if self.image else ""))

    def weights_file(self) -> Path:
        """The local file of weights. Raises TrainableError when it is not there."""
        path = at_home(self.weights or "")
        if not path.is_file():
            raise TrainableError(
                f"trainable.model.weights: {path} does not exist; give a state dict of an open_clip model"
            )
        return path

    def fixed(self) -> dict[Source, str]:
        """Why seeds cannot make the model anew, if they cannot."""
        has_weights = self.pretrained or self.weights or (self.image and (self.image.pretrained or self.image.weights))
        if has_weights and not self.pretraining:
            return {"backbone": "the model's weights are given; add model.pretraining"}
        return {}

    def words(self) -> str:
        """What the model is, for a report's header."""
        origin = "pre-trained here" if self.pretraining else self.pretrained or self._weights_words()
        towers = self.name or f"{self.image.name if self.image else ''} beside a text tower {self.text.width} wide"
        return f"{towers}, {origin}"

    def _weights_words(self) -> str:
        if self.weights:
            return file_words(self.weights)
        return f"image tower of {self.image.origin()}" if self.image else "random weights"
