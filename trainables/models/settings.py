"""What a study file says about a backbone."""

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from trainables.errors import TrainableError
from trainables.settings import Settings


class WarmStart(Settings):
    """Train the backbone with BCE on the train split before it is frozen."""

    epochs: int = Field(6, ge=1)
    lr: float = Field(3e-3, gt=0)
    batch: int = Field(64, ge=1)


class Backbone(Settings):
    """An image model by name, with pretrained, local, warm-started or random weights."""

    name: str
    library: Literal["timm", "open_clip"] = "timm"
    pretrained: bool | str = False
    weights: str | None = Field(None, description="a local safetensors or state-dict file")
    model_args: dict[str, Any] = {}
    mean: list[float] | None = None
    std: list[float] | None = None
    warm_start: WarmStart | None = None

    def identity(self) -> dict[str, Any]:
        """The settings, with a weights file replaced by the hash of its contents. Raises TrainableError."""
        settings = self.model_dump(mode="json")
        if not self.weights:
            return settings
        return settings | {"weights": hashlib.sha256(self.weights_file().read_bytes()).hexdigest()[:16]}

    def weights_file(self) -> Path:
        """The local file of weights. Raises TrainableError when it is not there."""
        path = Path(self.weights or "").expanduser()
        if not path.is_file():
            raise TrainableError(
                f"trainable.backbone.weights: {path} does not exist; give a safetensors or state-dict file"
            )
        return path
