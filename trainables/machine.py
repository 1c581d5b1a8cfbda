"""On what kind of machine a trial ran, as far as it can move its numbers."""

import platform
import sys
from functools import cache
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")


def machine_kind(device: str) -> dict[str, str]:
    """Processor and the vector instructions that torch uses on it; with a GPU also its name, CUDA and cuDNN.

    Without torch in this process nothing computes with it: then it is not imported for this alone.
    """
    kind = {"processor": _processor()}
    if (torch := sys.modules.get("torch")) is None:
        return kind
    kind["instructions"] = torch.backends.cpu.get_cpu_capability()
    if device != "cpu" and torch.cuda.is_available():
        kind |= {"gpu": torch.cuda.get_device_name(), "cuda": torch.version.cuda or torch.version.hip or ""}
        kind["cudnn"] = str(torch.backends.cudnn.version() or "")
    return kind


@cache
def _processor() -> str:
    """Its model as Linux tells it; else as Python does."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()
