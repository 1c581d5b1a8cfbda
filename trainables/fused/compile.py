"""From a recorded formula to a compiled kernel: C source, the system's compiler, a file in the cache, ctypes.

torch.compile would do the same in half a minute a loss, and needs seconds of imports in every worker; this takes a
second once a machine, and milliseconds afterwards.
"""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor

from evenkeel.trainables.cache import default_cache, made_once
from evenkeel.trainables.fused.trace import Formula, Symbol

FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
COMPILE_TIMEOUT_S = 120
SIZE, POINTER, FLOAT = ctypes.c_int64, ctypes.c_void_p, ctypes.c_float
ARGUMENTS: list[Any] = [SIZE, SIZE, *[POINTER] * 6, FLOAT]
"""What the function `run` of the library takes; its text in kernel.c says what for."""
INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "gt": ">", "lt": "<", "ge": ">=", "le": "<="}
PATTERNS = {
    "neg": "-{0}",
    "exp": "ek_exp({0})",
    "log": "ek_log({0})",
    "log1p": "ek_log1p({0})",
    "abs": "fabsf({0})",
    "relu": "{0} < 0.f ? 0.f : {0}",  # comparisons are written so that NaN stays NaN
    "step": "{0} > 0.f ? 1.f : {0}",
    "sign": "{0} > 0.f ? 1.f : {0} < 0.f ? -1.f : {0}",
    "clamp_min": "{0} < {1} ? {1} : {0}",
    "clamp_max": "{0} > {1} ? {1} : {0}",
    "minimum": "{1} < {0} ? {1} : {0}",
    "where": "{0} ? {1} : {2}",
    "logit": "x[i]",
    "literal": "{raw!r}f",
    "num_classes": "num_classes",
    "input": "in{raw}[uniform ? {index}]",
    "parameter": "parameters[{raw}]",
} | {name: "{0} " + sign + " {1}" for name, sign in INFIX.items()}


USER = os.getuid() if hasattr(os, "getuid") else 0


class NoCompiler(Exception):
    """There is no C compiler here, or it refuses the kernel."""


def source(formula: Formula) -> str:
    """The kernel as C."""
    graph, inputs = formula.graph, formula.inputs
    nodes = [graph.nodes[number] for number in formula.used(formula.positive)]
    uses = {args[0] for op, *args in nodes if op == "input"}
    tables = {
        "POSITIVE_USES": [number in uses for number in inputs],
        "ONE_A_TRIAL": [_is_one_a_trial(graph.inputs[number]) for number in inputs],
    }
    flags = {name: ", ".join([*(str(int(value)) for value in values), "0"]) for name, values in tables.items()}
    template = Path(__file__).with_name("kernel.c").read_text()
    return (
        f"enum {{ NUM_INPUTS = {len(inputs)} }};\n"
        + "".join(f"static const int {name}[NUM_INPUTS + 1] = {{{values}}};\n" for name, values in flags.items())
        + f"{template}\n{_side('negative', formula, formula.negative)}\n{_side('positive', formula, formula.positive)}"
    )


def _side(name: str, formula: Formula, results: tuple[Symbol, Symbol]) -> str:
    lines, arrays = [], []
    for number in formula.used(results):
        op, *args = formula.graph.nodes[number]
        kind = "int" if op in ("gt", "lt", "ge", "le") else "float"
        raw = formula.inputs.index(args[0]) if op == "input" else args[0] if op in ("literal", "parameter") else None
        index = "0 : i" if op == "input" and _is_one_a_trial(formula.graph.inputs[args[0]]) else "i : i"
        text = PATTERNS[op].format(*(f"v{a}" for a in args), raw=raw, index=index)
        lines.append(f"    const {kind} v{number} = {text};\n")
        if op == "input":
            arrays.append(f"  const float *restrict in{raw} = in[{raw}];\n")
    value, slope = (symbol.number for symbol in results)
    takes = (
        "long n, const float *restrict x, const float *const *in, const float *restrict parameters, "
        "float num_classes, float factor, float *restrict value, float *restrict slope"
    )
    gives = "n, x, in, parameters, num_classes, factor, value, slope"
    return (
        f"static inline __attribute__((always_inline)) void {name}_of(const int uniform, {takes}) {{\n"
        + "".join(arrays) + "  for (long i = 0; i < n; i++) {\n" + "".join(lines)
        + f"    value[i] = v{value};\n    slope[i] = factor * v{slope};\n  }}\n}}\n"
        f"APART static void {name}(int uniform, {takes}) {{\n"
        f"  if (uniform) {name}_of(1, {gives});\n  else {name}_of(0, {gives});\n}}\n"
    )  # fmt: skip


def _is_one_a_trial(tensor: Tensor | str) -> bool:
    return isinstance(tensor, Tensor) and tensor.dim() > 2 and tensor.shape[-2:] == (1, 1)


def compiled(formula: Formula) -> ctypes.CDLL:
    """The kernel's library; made by one process of the machine, found by all later ones. Raises NoCompiler."""
    return _loaded(source(formula))


@cache
def _loaded(text: str) -> ctypes.CDLL:
    key = hashlib.sha256("\0".join((text, _processor(), *FLAGS)).encode()).hexdigest()[:24]
    library = Path(default_cache()) / "kernels" / f"{key}-{USER}.so"
    try:
        made_once(library, lambda target: _compile(text, target))  # a kernel cut short would end the process by SIGBUS
        if library.lstat().st_uid != USER:  # a cache in a folder of the system's, which others fill
            raise NoCompiler(f"{library} is somebody else's")
        loaded = ctypes.CDLL(str(library))
    except OSError as error:
        raise NoCompiler(str(error)) from error
    loaded.run.argtypes, loaded.run.restype = ARGUMENTS, None
    return loaded


def _compile(text: str, library: Path) -> None:
    """Raises NoCompiler."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise NoCompiler("no C compiler is installed")
    text_file = Path(f"{library}.c")
    try:
        text_file.write_text(text)
        command = [compiler, *FLAGS, "-o", str(library), str(text_file), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_TIMEOUT_S)
        if done.returncode:
            raise NoCompiler(done.stderr[:500])
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoCompiler(str(error)) from error
    finally:
        text_file.unlink(missing_ok=True)


@cache
def _processor() -> str:
    """What -march=native depends on: a cache may lie on a disk that machines share."""
    try:
        flags = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")), "")
    except OSError:
        flags = platform.processor()
    return f"{platform.machine()} {flags}"
