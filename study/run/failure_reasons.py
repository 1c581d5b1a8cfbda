"""Why trials failed, in a few lines: reasons that differ only in numbers are one."""

import re
from collections import Counter
from collections.abc import Iterable

from evenkeel.study.records.index_entry import IndexEntry

MAX_REASONS = 5
VARYING_WORDS = re.compile(r"0x[0-9a-f]+|\d+(\.\d+)?|'[^']*'")


def reason_pattern(reason: str) -> str:
    """The reason without what differs from trial to trial."""
    return VARYING_WORDS.sub("#", reason)


def list_reasons(entries: Iterable[IndexEntry]) -> list[str]:
    """One line a reason, the commonest first: `12 failed: ValueError: ...`; the whole text is in the records."""
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for entry in entries:
        if entry.state == "failed":
            counts[pattern := reason_pattern(entry.reason)] += 1
            first.setdefault(pattern, entry.reason)
    lines = [f"{num:,} failed: {first[pattern]}" for pattern, num in counts.most_common(MAX_REASONS)]
    if len(counts) > MAX_REASONS:
        lines.append(
            f"{sum(counts.values()) - sum(n for _, n in counts.most_common(MAX_REASONS)):,} failed for other reasons"
        )
    return lines
