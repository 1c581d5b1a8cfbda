"""How far trials differ when their features are made with other vector instructions, AVX2 for AVX-512.

python -m benchmarks.instructions [--seeds 5]

Runs the demo's default trials twice, each time with a cache and a folder of its own: as this processor computes, and
with ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2. Needs a processor with AVX-512. Prints, trial by trial, the
difference of the test F1; then, as a control, that of a third run as the first.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from evenkeel.study.records.ledger import Ledger

AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
STUDY = """
extends: demo
name: instructions
designs: {{sweep: {{levels: 2, hyperparameters: []}}, sobol: null, search: null}}
seeds: {seeds}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ek-") as name:
        folder = Path(name)
        (folder / "study.yaml").write_text(STUDY.format(seeds=options.seeds))
        own, used = _scores(folder, "own", {})
        if "512" not in used:
            sys.exit(f"this processor computes with {used}: a comparison needs AVX-512")
        other, used_other = _scores(folder, "avx2", AVX2)
        again, _ = _scores(folder, "again", {})
        _print(f"{used} and {used_other}", own, other)
        _print(f"{used} twice", own, again)


def _scores(folder: Path, name: str, variables: dict[str, str]) -> tuple[dict[str, float], str]:
    """Test F1 by trial, and the vector instructions that torch used."""
    environment = os.environ | variables | {"EVENKEEL_CACHE": str(folder / f"{name}-cache")}
    words = ["run", str(folder / "study.yaml"), "--serial", "--storage", str(folder / name), "--track-later"]
    subprocess.run([sys.executable, "-m", "evenkeel", *words], env=environment, check=True, capture_output=True)
    records = Ledger(str(folder / name), "instructions").read_all()
    (used,) = {record.machine["instructions"] for record in records.values()}
    return {trial_id: record.metrics["test_f1"] or 0.0 for trial_id, record in records.items()}, used


def _print(name: str, first: dict[str, float], second: dict[str, float]) -> None:
    differences = [second[trial_id] - score for trial_id, score in first.items()]
    largest, spread = max(map(abs, differences)), statistics.pstdev(differences)
    print(f"{name}: {len(differences)} trials, F1 differs by up to {largest:.4f}, standard deviation {spread:.4f}")


if __name__ == "__main__":
    main()
