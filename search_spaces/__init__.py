"""What varies: one space per loss, and the point sets drawn from it. Plain data; Optuna has a module of its own."""

from evenkeel.search_spaces.losses import LM_CLIP, SPACES
from evenkeel.search_spaces.space import Choice, Float, Int, Parameter, Space

__all__ = ["LM_CLIP", "SPACES", "Choice", "Float", "Int", "Parameter", "Space"]
