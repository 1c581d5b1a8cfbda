#!/bin/sh
# All that a GPU must show, in under ten minutes: rates of packs, losses and fine-tuning, features beside a CPU's, whole
# networks at once. Run: make bench-gpu, or sh benchmarks/gpu.sh; with DEVICE=cpu and --quick it tries itself.
set -e
python=${PYTHON:-.venv/bin/python} device=${DEVICE:-cuda}
"$python" -m benchmarks.gpu --device "$device" "$@"
"$python" -m benchmarks.finetune_packs --device "$device" --repeats 2
