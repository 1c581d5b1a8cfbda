"""What a user should know of a search before it runs."""

from evenkeel.search_spaces import Choice, Space
from evenkeel.study.file.study import StudyConfig

MIN_NUMBERS = 2
"""CMA-ES adapts how numbers vary together."""


def note_search(config: StudyConfig) -> list[str]:
    """One line for hyperparameters that CMA-ES leaves to chance; none for other samplers."""
    if config.designs.search is None or config.designs.search.sampler != "cmaes":
        return []
    names = sorted({name for entry in config.entries for name in _left_to_chance(config.axes(entry))})
    return [f"search: cmaes moves two numbers or more together; drawn at random: {', '.join(names)}"] if names else []


def _left_to_chance(space: Space) -> list[str]:
    choices = [name for name, parameter in space.parameters.items() if isinstance(parameter, Choice)]
    return choices if len(space.parameters) - len(choices) >= MIN_NUMBERS else list(space.parameters)
