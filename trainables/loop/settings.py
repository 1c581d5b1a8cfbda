"""What a study file says about training beyond the model: augmentation, and what is done to the train rows."""

from pydantic import Field

from evenkeel.trainables.settings import Settings


class Augmentation(Settings):
    """Drawn anew for every image of every batch; all but the flip is off unless asked for."""

    flip: float = Field(0.5, ge=0, le=1, description="probability of a horizontal flip")
    rotate: float = Field(0.0, ge=0, le=180, description="degrees, drawn from -rotate to rotate")
    crop: float = Field(1.0, gt=0, le=1, description="the smallest share of the area that a random crop keeps")
    sharpen: float = Field(0.0, ge=0, le=1, description="probability of sharpening by factor 2")
    erase: float = Field(0.0, ge=0, le=1, description="probability of erasing a random rectangle")
    jitter: float = Field(0.0, ge=0, le=1, description="strength of brightness, contrast and saturation jitter")


class Knobs(Settings):
    """Harm done to the train rows on purpose, for studies; drawn from a trial's seed. Val and test stay as they are."""

    fraction: float = Field(1.0, gt=0, le=1, description="share of the train rows that are kept, class by class")
    imbalance: float | None = Field(None, ge=1, description="rows are left out until n_max / n_min is about this")
    label_noise: float = Field(0.0, ge=0, lt=1, description="share of the images that get another image's labels")
    missing: float = Field(0.0, ge=0, lt=1, description="share of the positive labels that are lost")
