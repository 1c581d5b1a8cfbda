"""What a data set is known by: in the ids of trials, and in the cache's names for what is made of it."""

from typing import Any

from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.own_identity import own_identity
from evenkeel.trainables.own_sources import source_fingerprint


def is_own_data(data: DataSet) -> bool:
    """Whether it is a class of a user's own, `module:Class`."""
    return ":" in data.name


def data_identity(data: DataSet) -> dict[str, Any]:
    """Its own identity and, for a class of a user's own, the source of its code: another `load` gives other contents.

    Raises TrainableError for files that are missing.
    """
    if not is_own_data(data):
        return data.identity()
    return own_identity(f"data: {data.name}", data.identity) | {"source": source_fingerprint(data.name)}
