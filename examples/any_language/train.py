import json
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parent / "train.sh"


def train(seed, rate=0.1, steps=50):
    command = ["sh", str(SCRIPT), str(seed), str(rate), str(steps)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
