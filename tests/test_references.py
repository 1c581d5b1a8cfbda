"""Every number that code or docs cite is explained in the docs."""

import re
from pathlib import Path

import pytest

from tests.test_architecture import PACKAGES, ROOT

EXPLAINED_IN = {"D": ROOT / "docs" / "losses.md", "R": ROOT / "docs" / "reading.md"}
TEXT = {".py", ".md", ".html", ".js", ".css", ".c", ".yaml"}


def texts() -> list[Path]:
    folders = [*PACKAGES, "docs", "tests", "benchmarks"]
    return [ROOT / "README.md", *(p for f in folders for p in sorted((ROOT / f).rglob("*")) if p.suffix in TEXT)]


def cited(letter: str, text: str) -> set[str]:
    """D35, R18; not D0, which is a symbol, nor R^2 or RAL."""
    return set(re.findall(rf"\b{letter}[1-9]\d*\b", text))


@pytest.mark.parametrize("letter", EXPLAINED_IN)
def test_every_cited_number_is_explained(letter: str):
    table = EXPLAINED_IN[letter].read_text(encoding="utf-8")
    explained = set(re.findall(rf"^\| ({letter}\d+) \| .+ \| .+ \|$", table, re.M))
    places = {number: path for path in texts() for number in cited(letter, path.read_text(encoding="utf-8"))}
    missing = {n: str(path.relative_to(ROOT)) for n, path in places.items() if n not in explained}
    assert not missing, f"explain in {EXPLAINED_IN[letter].name}: {missing}"
    assert len(places) > 5


def test_every_cited_identity_is_explained():
    explained = set(re.findall(r"^\| \[(\d+)\] \| .+ \|$", EXPLAINED_IN["D"].read_text(encoding="utf-8"), re.M))
    leads = [
        lead
        for path in sorted((ROOT / "tests" / "losses").glob("test_*.py"))
        for lead in re.findall(r'"""(\[\d+\](?:, \[\d+\])*)', path.read_text(encoding="utf-8"))
    ]
    named = {number for lead in leads for number in re.findall(r"\d+", lead)}
    assert named and named <= explained, f"explain in losses.md: {sorted(named - explained)}"
