"""Why trials failed, in a few lines: reasons that differ only in numbers are one."""

import re
from collections import Counter
from collections.abc import Iterable

from evenkeel.study.records.index_entry import Entry

MOST = 5
VARYING = re.compile(r"0x[0-9a-f]+|\d+(\.\d+)?|'[^']*'")


def kind_of(reason: str) -> str:
    """The reason without what differs from trial to trial."""
    return VARYING.sub("#", reason)


def reasons(entries: Iterable[Entry]) -> list[str]:
    """One line a reason, the commonest first: `12 failed: ValueError: ...`; the whole text is in the records."""
    found: Counter[str] = Counter()
    first: dict[str, str] = {}
    for entry in entries:
        if entry.state == "failed":
            found[kind := kind_of(entry.reason)] += 1
            first.setdefault(kind, entry.reason)
    lines = [f"{num:,} failed: {first[kind]}" for kind, num in found.most_common(MOST)]
    if len(found) > MOST:
        lines.append(f"{sum(found.values()) - sum(n for _, n in found.most_common(MOST)):,} failed for other reasons")
    return lines
