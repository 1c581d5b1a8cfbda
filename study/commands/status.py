"""`evenkeel status`: what is recorded, what is missing."""

import argparse
import json
import sys
from collections import Counter

from evenkeel.study.commands.study_location import locate_study
from evenkeel.study.errors import EXIT_FAILED_TRIALS, EXIT_OK
from evenkeel.study.records.facts import read_facts
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.run.failure_reasons import list_reasons
from evenkeel.study.terminal import print_table
from evenkeel.trainables.result import STATES


def execute(options: argparse.Namespace) -> int:
    """Count trials by loss and state; exit code 1 when trials failed."""
    config, storage = locate_study(options.study, options)
    ledger = Ledger(str(storage), config.name)
    facts = read_facts(ledger.require_study(f"evenkeel run {options.study}").summary)
    tallies: dict[str, Counter[str]] = {label: Counter() for label in facts.losses}
    entries = ledger.entries().values()
    for entry in entries:
        tallies.setdefault(entry.label, Counter())[entry.state] += 1
    planned = {label: sum(designs.values()) for label, designs in facts.planned.items()}
    rows = {label: _row(tally, planned.get(label, 0)) for label, tally in tallies.items()}
    total = {key: sum(row[key] for row in rows.values()) for key in (*STATES, "missing")}
    if options.json:
        sys.stdout.write(json.dumps({"study": config.name, "total": total, "losses": rows}) + "\n")
    else:
        print_table(
            ["", *total], [[label, *row.values()] for label, row in [*rows.items(), ("all", total)]], totals=True
        )
    for line in [*list_reasons(entries), *_damaged(ledger)]:
        sys.stderr.write(f"  {line}\n")
    return EXIT_FAILED_TRIALS if total["failed"] else EXIT_OK


def _damaged(ledger: Ledger) -> list[str]:
    first = [f"{ledger.storage}/{file.name} ({file.why})" for file in ledger.damaged[:1]]
    return [
        f"{len(ledger.damaged)} files cannot be read; the next run repeats their trials: {place}" for place in first
    ]


def _row(tally: Counter[str], planned: int) -> dict[str, int]:
    return {state: tally[state] for state in STATES} | {"missing": max(0, planned - sum(tally.values()))}
