"""`evenkeel status`: what is recorded, what is missing."""

import argparse
import json
import sys
import time
from collections import Counter
from datetime import timedelta
from typing import NamedTuple

from evenkeel.study.commands.study_location import locate_study
from evenkeel.study.errors import EXIT_FAILED_TRIALS, EXIT_OK
from evenkeel.study.file.locations import Storage
from evenkeel.study.plain_text import visible
from evenkeel.study.records.facts import read_facts
from evenkeel.study.records.ledger import Ledger
from evenkeel.study.run.failure_reasons import list_reasons
from evenkeel.study.run.host_status import read_host_status
from evenkeel.study.run.lease import LEASE_STALE_S, Holder
from evenkeel.study.run.shards import Shard, read_shards
from evenkeel.trainables.cache import default_cache
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
    looks = _read_looks(ledger) if facts.adaptive else None
    planned = {label: _num_planned(label, designs, looks) for label, designs in facts.planned.items()}
    rows = {label: _row(tally, planned.get(label, 0)) for label, tally in tallies.items()}
    total = {key: sum(row[key] for row in rows.values()) for key in (*STATES, "missing")}
    shards = read_shards(ledger.folder)
    if options.json:
        parts = {str(shard): _describe_holder(holder) for shard, holder in shards.items()}
        contents = {"study": config.name, "total": total, "losses": rows} | ({"shards": parts} if parts else {})
        contents |= {"looks": looks.lines} if looks else {}
        sys.stdout.write(json.dumps(contents) + "\n")
    else:
        _show_rows([*rows.items(), ("all", total)])
        if shards:
            _show_shards(shards)
        sys.stdout.writelines(f"{visible(line)}\n" for line in [*(looks.lines if looks else ()), *_at_work(storage)])
    for line in [*list_reasons(entries), *_damaged(ledger)]:
        sys.stderr.write(f"  {visible(line)}\n")
    return EXIT_FAILED_TRIALS if total["failed"] else EXIT_OK


def _at_work(storage: Storage) -> list[str]:
    """What trials say that run on this machine now, as training functions do that report their epochs."""
    return [f"at work here: {text}" for text in read_host_status(default_cache(), str(storage)).trials]


class _LooksTold(NamedTuple):
    """Of a study whose seeds or levels go where they decide: trials of the sweep that are due, by loss, and words."""

    due: Counter[str]
    lines: list[str]


def _read_looks(ledger: Ledger) -> _LooksTold:
    from evenkeel.reports.verdict.looks import decided_part, follow_looks, say_looks
    from evenkeel.study.records.table import table_from_ledger

    table, due = table_from_ledger(ledger), Counter[str]()
    for place, num in follow_looks(table).due.items():
        due[place.loss] += num
    return _LooksTold(due, say_looks(decided_part(table)))


def _num_planned(label: str, designs: dict[str, int], looks: _LooksTold | None) -> int:
    fixed = sum(num for design, num in designs.items() if not (looks and design == "sweep"))
    return fixed + (looks.due[label] if looks else 0)


def _show_rows(rows: list[tuple[str, dict[str, int]]]) -> None:
    """Columns are the states; the last row is the sum."""
    from evenkeel.study.terminal import print_table

    print_table(["", *rows[-1][1]], [[label, *row.values()] for label, row in rows], totals=True)


def _show_shards(shards: dict[Shard, Holder]) -> None:
    """A line each; those that never began are counted."""
    from evenkeel.study.terminal import print_table

    now, num_shards = time.time(), next(iter(shards)).num_shards
    rows = [[f"shard {shard}", *_describe_holder(holder, now).values()] for shard, holder in shards.items()]
    print_table(["", "state", "host", "heard"], rows, num_words=4)
    if num_shards > len(shards):
        sys.stdout.write(f"{num_shards - len(shards)} of {num_shards} shards have not begun\n")


def _describe_holder(holder: Holder, now: float | None = None) -> dict[str, str]:
    """Where a shard runs or ran. By the holder's clock: for people alone."""
    silence_s = max(0, round((now or time.time()) - holder.heard))
    state = "ended" if holder.released else "runs" if silence_s < LEASE_STALE_S else "silent"
    return {"state": state, "host": holder.host, "heard": f"{timedelta(seconds=silence_s)} ago"}


def _damaged(ledger: Ledger) -> list[str]:
    first = [f"{ledger.storage}/{file.name} ({file.why})" for file in ledger.damaged[:1]]
    return [
        f"{len(ledger.damaged)} files cannot be read; the next run repeats their trials: {place}" for place in first
    ]


def _row(tally: Counter[str], planned: int) -> dict[str, int]:
    return {state: tally[state] for state in STATES} | {"missing": max(0, planned - sum(tally.values()))}
