"""The name under which what was made of a data set by a model lies in the cache: a hash of all that decides it.

What is fitted on the train rows of a seed is made once for every such set of rows; what is fitted on none is made once.
No torch here: a driver looks whether it is made.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from evenkeel.trainables.data.image_set import DataSet
from evenkeel.trainables.seeds import Seeds, Source


def fitted_seed(data: DataSet, vary: Sequence[Source] | None, seed: int, *, on_train_rows: bool) -> int | None:
    """The seed whose train rows a backbone sees for trials of `seed`, or None when it is the same for all.

    `vary` is what the study varies: with `backbone` in it each seed makes its own.
    """
    if "backbone" in (vary or ()):
        return seed
    if not on_train_rows or data.validation is None:
        return None
    return Seeds.of(vary, seed).split if data.validation.per_seed else 0


def cache_key(data: dict[str, Any], vary: Sequence[Source] | None, seed: int | None, **decisive: Any) -> str:
    """16 hexadecimal digits of the data's identity, the `fitted_seed` and what else is `decisive`.

    How validation is carved does not count for what is fitted on no row.
    """
    contents = decisive | {
        "data": {key: value for key, value in data.items() if seed is not None or key != "validation"},
        "seed": seed,
        "vary": list(vary) if vary and "backbone" in vary else None,
    }
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()[:16]
