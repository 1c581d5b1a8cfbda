"""Names say what they hold: no pronoun is a variable, a constant has one home or two, array functions name shapes."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.house import (
    PACKAGES,
    PRONOUNS,
    constants,
    modules,
    mutual_rooms,
    repeated_constants,
    variables,
    without_shape,
)

ROOT = Path(__file__).parent.parent


def places(folder: str, kind) -> list[str]:
    """`file:line name` of all that `kind` yields in a folder."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    return [
        f"{path.relative_to(ROOT)}:{line} {name}" for path in paths for name, line in kind(ast.parse(path.read_text()))
    ]


def class_names(path: Path) -> list[str]:
    return [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]


def pronouns(tree: ast.AST) -> list[tuple[str, int]]:
    return [(name, line) for name, line in variables(tree) if name in PRONOUNS]


@pytest.mark.parametrize("folder", [*PACKAGES, "benchmarks"])
def test_no_variable_is_called_by_a_pronoun(folder: str):
    bound = places(folder, pronouns)
    assert not bound, "\n".join(bound)


@pytest.mark.parametrize("folder", PACKAGES)
def test_public_functions_on_arrays_name_a_shape(folder: str):
    lacking = places(folder, without_shape)
    assert not lacking, "\n".join(lacking)


def test_a_constant_of_one_name_stands_in_at_most_two_modules():
    assert not repeated_constants()


def test_a_class_has_a_name_of_its_own():
    """A measure and the section that shows it are two things, and so are a loss and a data set of one label."""
    names = Counter(name for folder in PACKAGES for path in modules(folder) for name in class_names(path))
    assert {name: count for name, count in names.items() if count > 1} == {}


def test_no_two_rooms_import_each_other():
    assert not mutual_rooms()


def test_every_way_to_bind_a_variable_is_seen():
    code = (
        "of = 1\nfor at in []: pass\nwith x as to: pass\n[0 for on in []]\ndef f(known, *told, one=1): pass\n"
        "try: pass\nexcept E as said: pass\nlambda what: 0\nwhose: int = 2\n(seen := 3)\nx.found = here['there']\n"
    )
    assert {name for name, _ in pronouns(ast.parse(code))} == {
        *("of", "at", "to", "on", "known", "told", "one", "said", "what", "whose", "seen")
    }


def test_a_shape_is_named_in_brackets_or_words_or_by_a_suffix():
    code = (
        "def plain(x: Tensor):\n    '''Adds.'''\n"
        "def bracket(x: Tensor):\n    '''Adds [B, C].'''\n"
        "def suffix(x_BC: np.ndarray):\n    '''Adds.'''\n"
        "def number(x: int):\n    '''Adds.'''\n"
        "class Loss:\n    '''Takes [B, C].'''\n    def __call__(self, x: Tensor): ...\n"
        "class Hill(EntryLoss):\n    '''A loss.'''\n    def entry_weights(self, x: Tensor, row: None): ...\n"
        "class Bare:\n    '''A loss.'''\n    def __call__(self, x: Tensor): ...\n"
    )
    assert [(name, line) for name, line in without_shape(ast.parse(code))] == [("plain", 1), ("__call__", 17)]


def test_constants_are_upper_case_names_of_a_module():
    code = "MOST = 3\nFIRST, LAST = 1, 2\nKIND: str = 'a'\nT = TypeVar('T')\nplain = 1\ndef f():\n    INSIDE = 1\n"
    assert constants(ast.parse(code)) == {"MOST", "FIRST", "LAST", "KIND"}
