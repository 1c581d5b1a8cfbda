"""What a user's own data set or trainable says that it is: plain JSON, or one line that names the class."""

import json
from collections.abc import Callable
from typing import Any

from evenkeel.trainables.errors import TrainableError, in_one_line

PLAIN_JSON = "numbers, texts, lists and None only"


def json_of(owner: str, method: str, call: Callable[[], Any]) -> str:
    """The JSON of what a method of `owner` gives. Raises TrainableError for what JSON does not have."""
    try:
        return json.dumps(call(), sort_keys=True, allow_nan=False)
    except TrainableError:
        raise
    except Exception as error:  # a user's code may raise anything
        raise TrainableError(f"{owner}: {method}() must give {PLAIN_JSON} ({in_one_line(error)})") from error


def own_identity(owner: str, identity: Callable[[], Any]) -> dict[str, Any]:
    """What `identity` gives, values by name. Raises TrainableError for anything else."""
    contents = json.loads(json_of(owner, "identity", identity))
    if not isinstance(contents, dict):
        raise TrainableError(f"{owner}: identity() must give values by name, got {type(contents).__name__}")
    return contents
