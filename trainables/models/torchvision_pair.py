"""torchvision comes with timm and open_clip and is used by neither here.

Its compiled operators are often built for another variant of torch (a CPU build of torch beside the usual torchvision,
say), and then importing it fails; declaring the two operators that its import looks for is enough.
"""

from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import torch

from evenkeel.trainables.errors import TrainableError

_LIBRARIES: list[torch.library.Library] = []


def import_torchvision() -> None:
    """Import it before timm or open_clip do. Raises TrainableError for a pair that cannot be mended."""
    _load_operators()
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            _LIBRARIES.append(library)
    try:
        import torchvision  # noqa: F401
    except (RuntimeError, OSError) as error:
        raise TrainableError(f"torchvision does not fit this torch ({error}); install a matching pair") from error


def _load_operators() -> None:
    """Those that fit this torch; an operator that is declared before its library is loaded ends the process."""
    spec = find_spec("torchvision")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for library in (*Path(folder).glob("_C*.so"), *Path(folder).glob("_C*.pyd")):
            with suppress(OSError):
                torch.ops.load_library(str(library))
