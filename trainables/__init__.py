"""One trial: data, frozen backbones, heads, losses and metrics.

This package runs without Ray and MLflow. Importing it does not import torch; its modules do.
"""

from trainables.errors import TrainableError
from trainables.trial import Trial

__all__ = ["Trial", "TrainableError"]
