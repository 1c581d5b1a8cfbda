"""A range in a study file whose two keys are no good names of variables: `{from: 6, to: 20}`, `{coarse: 3, to: 9}`."""

from typing import Any

from pydantic import Field, create_model

from evenkeel.trainables.settings import Settings


class _Ends(Settings):
    @property
    def first(self) -> int:
        """The whole number of the first key."""
        return int(next(iter(vars(self).values())))

    @property
    def last(self) -> int:
        """The whole number of `to`."""
        return int(vars(self)["to"])


def make_ends(descriptions: dict[str, str]) -> Any:
    """The base class of a range, from what is said of its keys, of which `to` is the last."""
    keys: dict[str, Any] = {key: (int, Field(description=text)) for key, text in descriptions.items()}
    return create_model("Ends", __base__=_Ends, **keys)
