#!/usr/bin/env bash
# PyTorch 2.13.0: torch.use_deterministic_algorithms imports torch's compiler, also where it changes nothing.
#
# Expected: a setter of one flag costs nothing beside `import torch`; the compiler is imported by torch.compile.
# Seen: `torch.use_deterministic_algorithms(False)` in a fresh process imports torch._inductor and torch._dynamo, with
#   hundreds of modules (sympy among them), to write one field of the compiler's settings; it takes about as long as
#   `import torch` itself, once a process.
# What it means here: workers ask whether the flag has the value already, and set it only where it differs.
# Run: bash findings/torch_deterministic_imports_compiler.sh   (minutes: it installs torch; exit code 1 when no longer so)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "torch==2.13.0" "numpy==2.3.5"
cat > "$folder/flag.py" <<'PYTHON'
import sys
import time

started = time.perf_counter()
import torch

imported, before = time.perf_counter(), set(sys.modules)
assert not torch.are_deterministic_algorithms_enabled() and "torch._dynamo" not in before
torch.use_deterministic_algorithms(False)
seconds, new = time.perf_counter() - imported, set(sys.modules) - before
print(f"torch {torch.__version__}: import {imported - started:.1f} s; the call {seconds:.1f} s and {len(new)} modules more")
assert {"torch._dynamo", "torch._inductor"} <= new, "the compiler is not imported; the finding no longer holds"
PYTHON
"$folder/venv/bin/python" "$folder/flag.py"
