"""The last word on an exception that nobody expected: whose trouble it is, and a file to send.

A fault in a program must not look like a cluster's trouble: a batch system would start the same command for ever.
"""

import platform
import re
import sys
import time
import traceback
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from evenkeel.study.errors import EXIT_CLUSTER, EXIT_FAULT
from evenkeel.trainables.cache import default_cache

CREDENTIALS = re.compile(r"(?<=://)[^/\s'\"]*@")
"""The user and password of a URL: they stay out of a file that is sent."""
REPORTED_PACKAGES = ("evenkeel", "torch", "ray", "mlflow", "optuna", "pydantic", "numpy")


def report_exception(error: BaseException, arguments: list[str]) -> int:
    """Say in a line what happened, on standard error, and return the exit code: a cluster's trouble or a fault.

    `arguments` are those of the command. The whole of a fault goes into a file.
    """
    first_line = (str(error).strip().splitlines() or [""])[0][:300]
    words = f"{type(error).__name__}: {first_line}".rstrip(": ")
    if comes_from_cluster(error):
        sys.stderr.write(
            f"evenkeel: Ray or the network ended the run ({words}); a node or Ray's head may have died; nothing is "
            "lost: the same command goes on\n"
        )
        return EXIT_CLUSTER
    sys.stderr.write(
        f"evenkeel: a fault in evenkeel or in a library ({words}); what was recorded is kept, but the same command "
        f"would meet it again. {_save(error, arguments)}\n"
    )
    return EXIT_FAULT


def comes_from_cluster(error: BaseException) -> bool:
    """Whether Ray raised an exception, or one that it came of, or a connection broke."""
    return any(isinstance(cause, ConnectionError) or _is_of_ray(cause) for cause in _causes(error))


def _is_of_ray(error: BaseException) -> bool:
    *_, innermost = ("", *(frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)))
    return any(name.partition(".")[0] == "ray" for name in (type(error).__module__, innermost))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _save(error: BaseException, arguments: list[str]) -> str:
    """Where the whole of it can be read."""
    text = CREDENTIALS.sub("***@", _describe(error, arguments))
    try:
        folder = Path(default_cache()) / "faults"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{platform.node()}.txt"
        path.write_text(text, encoding="utf-8")
    except OSError:
        return f"Please send this:\n{text}"
    return f"Please send {path} to the maintainers"


def _describe(error: BaseException, arguments: list[str]) -> str:
    packages = ", ".join(f"{name} {_installed(name)}" for name in REPORTED_PACKAGES)
    lines = [
        f"evenkeel {' '.join(arguments)}",
        f"Python {platform.python_version()} on {platform.platform()}",
        packages,
        "",
        *traceback.format_exception(error),
    ]
    return "\n".join(line.rstrip("\n") for line in lines) + "\n"


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
