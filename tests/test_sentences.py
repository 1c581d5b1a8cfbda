"""Every sentence template of the page is listed in sentences.json, with its claim and the benchmark row that guards it.

A template is a sentence, or a part of one, as the code of a section writes it, with {} for what is filled in. `guard`
begins the name of rows of benchmarks/decisions.py, which measure how often such a sentence is false; it is empty where
a sentence decides nothing (it lists what was measured, or what is missing).
"""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.decisions import series

ROOT = Path(__file__).parent.parent
CLAIMS = json.loads(Path(__file__).with_name("sentences.json").read_text(encoding="utf-8"))
MODULES = [
    *sorted((ROOT / "reports" / "sections").glob("*.py")),
    *sorted((ROOT / "reports" / "verdict").glob("*.py")),
    ROOT / "reports" / "page" / "comparison.py",
]
SAID = ("str", "list[str]", "str | None")
"""What functions return that make sentences."""
FEWEST_WORDS = 3


def template_of(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def templates(module: Path) -> Iterator[str]:
    """The texts of three words or more in the functions of a module that make sentences."""
    for function in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if not isinstance(function, ast.FunctionDef) or function.name in ("title", "question", "key"):
            continue
        if function.returns is None or ast.unparse(function.returns) not in SAID:
            continue
        nodes = [node for statement in function.body for node in ast.walk(statement)]
        parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        docstring = ast.get_docstring(function, clean=False)
        texts = (template_of(node) for node in nodes if id(node) not in parts)
        yield from (t for t in texts if t != docstring and len(re.findall(r"[A-Za-z]{2,}", t)) >= FEWEST_WORDS)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_every_sentence_has_a_claim(module):
    listed = {template for claim in CLAIMS for template in claim["templates"]}
    unlisted = sorted(set(templates(module)) - listed)
    assert not unlisted, "list these in tests/sentences.json, with what they claim and the row that guards it"


def test_every_claim_is_guarded_by_a_row_that_is_measured():
    rows = [name for kind in series() for name in (f"{claim}-{kind.name}" for claim in kind.claims)]
    for claim in CLAIMS:
        assert not claim["guard"] or any(row.startswith(claim["guard"]) for row in rows), claim["guard"]
