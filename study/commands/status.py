"""`evenkeel status`: what is recorded, what is missing."""

import argparse
import json
import sys
from collections import Counter

from study.errors import EXIT_FAILED_TRIALS, EXIT_OK, UserError
from study.file.read import load_study
from study.records.ledger import Ledger
from study.records.record import STATES
from study.run.engine import storage_of


def execute(options: argparse.Namespace) -> int:
    """Count trials by loss and state; exit code 1 when trials failed."""
    config = load_study(options.study, options.overrides)
    ledger = Ledger(storage_of(config, options.storage), config.name)
    study = ledger.read_study()
    if study is None:
        raise UserError(f"{ledger.storage}: no study here yet; start it with: evenkeel run {options.study}")
    tallies: dict[str, Counter[str]] = {label: Counter() for label in study["summary"]["losses"]}
    for record in ledger.read_all().values():
        tallies.setdefault(record.trial.label, Counter())[record.state] += 1
    planned = {label: sum(designs.values()) for label, designs in study["summary"]["planned"].items()}
    rows = {label: _row(tally, planned.get(label, 0)) for label, tally in tallies.items()}
    total = {key: sum(row[key] for row in rows.values()) for key in (*STATES, "missing")}
    if options.json:
        sys.stdout.write(json.dumps({"study": config.name, "total": total, "losses": rows}) + "\n")
    else:
        _print(rows, total)
    return EXIT_FAILED_TRIALS if total["failed"] else EXIT_OK


def _row(tally: Counter[str], planned: int) -> dict[str, int]:
    return {state: tally[state] for state in STATES} | {"missing": max(0, planned - sum(tally.values()))}


def _print(rows: dict[str, dict[str, int]], total: dict[str, int]) -> None:
    width = max(map(len, rows), default=0)
    lines = [f"{'':{width}}" + "".join(f"{key:>10}" for key in total)]
    lines += [
        f"{label:{width}}" + "".join(f"{n:10,}" for n in row.values()) for label, row in [*rows.items(), ("", total)]
    ]
    sys.stdout.write("\n".join(lines) + "\n")
