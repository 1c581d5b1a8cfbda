"""Trials of one seed that are no pair: they started from other features, or ran on another kind of machine."""

from collections.abc import Iterable

import pandas as pd

from evenkeel.reports.table.trial_table import CENSORED


def set_other_shared_aside(table: pd.DataFrame) -> pd.DataFrame:
    """The table with trials censored that started from other features than most trials of their seed: no pair is formed
    with those. The table itself where all are alike."""
    unlike = _unlike(table, "shared")
    if not unlike.any():
        return table
    aside = table.copy()
    aside.loc[unlike, "state"] = CENSORED
    return aside


def machine_notes(tables: Iterable[tuple[str, pd.DataFrame]]) -> list[str]:
    """A sentence for each study (a prefix, its table) of whose seeds trials started from other features, or ran on
    another kind of machine."""
    notes = []
    for prefix, table in tables:
        if other := int(_unlike(table, "shared").sum()):
            hashes = ", ".join(sorted(set(table.shared) - {""}))
            notes.append(
                f"{prefix}{other:,} trials started from other features than most of their seed (content hashes "
                f"{hashes}); they are left out, since no pair may be formed across"
            )
        if other := int(_unlike(table, "machine").sum()):
            kinds = "; ".join(sorted(set(table.machine) - {""}))
            notes.append(
                f"{prefix}{other:,} trials ran on another kind of machine than most of their seed ({kinds}); a network "
                "that is trained there comes out another, and these pairs hold that difference too"
            )
    return notes


def _unlike(table: pd.DataFrame, column: str) -> "pd.Series[bool]":
    """Rows whose value is recorded and not the one that most rows of their seed have (the first by name of several)."""
    recorded = table[table[column] != ""]
    usual = recorded.groupby("seed")[column].agg(lambda values: values.mode().iloc[0])
    return (table[column] != "") & (table[column] != table.seed.map(usual))
