"""How the house stands: words, lengths, untyped crossings, imports between rooms. Run: make house

Counted are the four packages, without tests. A string subscript is `x["key"]` where a value is read or written;
annotations do not count. `Any` is counted among the annotated arguments of functions. With `--against COMMIT` (in the
Makefile: `make house AGAINST=COMMIT`) the words of that commit stand beside those of the working tree.
"""

import argparse
import ast
import io
import re
import statistics
import subprocess
import tarfile
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("study", "trainables", "search_spaces", "reports")
LONG_FUNCTION, LONG_MODULE = 30, 300
PRONOUN_TEXT = """of at to on found known told said one what whose where there here both others seen asked given made
shown wanted rest like held"""
PRONOUNS = frozenset(PRONOUN_TEXT.split())
"""What no variable is called: a name says what it holds."""
CONSTANT = re.compile(r"^[A-Z][A-Z0-9_]+$")
ARRAYS = re.compile(r"\b(Tensor|ndarray)\b")
SHAPE = re.compile(r"\[[^\]\n]*\]|\bshapes?\b|\bscalar\b|\ba number\b", re.IGNORECASE)
"""How a docstring names a shape: `[B, C]`, or in words."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


def modules(package: str, root: Path = ROOT) -> list[Path]:
    """The modules of a package, in order."""
    return sorted((root / package).rglob("*.py"))


def subscripts(tree: ast.AST) -> int:
    """How often a literal string is a key."""
    return sum(
        isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
        for node in ast.walk(tree)
    )


def functions(tree: ast.AST) -> list[Function]:
    """Every function and method."""
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def parameters(function: Function | ast.Lambda) -> list[ast.arg]:
    """The arguments of a function, without self and cls."""
    spec = function.args
    stars = [star for star in (spec.vararg, spec.kwarg) if star]
    return [a for a in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs, *stars) if a.arg not in ("self", "cls")]


def arguments(tree: ast.AST) -> Iterator[str]:
    """The annotation of every argument, as text."""
    for function in functions(tree):
        for argument in parameters(function):
            yield ast.unparse(argument.annotation) if argument.annotation else ""


def variables(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every name that is bound to a value, with its line: assigned, looped over, caught, an argument, a field."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name, node.lineno


def public(tree: ast.Module) -> Iterator[Definition]:
    """Public functions and classes of a module, and the public methods of those classes, `__call__` among them."""
    for node in tree.body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node
            for member in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(member, Function) and (not member.name.startswith("_") or member.name == "__call__"):
                    yield member


@cache
def classes() -> dict[str, ast.ClassDef]:
    """Every class of the packages by its name."""
    trees = [ast.parse(path.read_text()) for package in PACKAGES for path in modules(package)]
    return {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)}


def inherited(owner: ast.ClassDef, method: str) -> str:
    """The docstring that a method without one has from a base, as `inspect.getdoc` finds it; else that of the class."""
    for base in filter(None, (classes().get(ast.unparse(b)) for b in owner.bases)):
        texts = [ast.get_docstring(function) for function in functions(base) if function.name == method]
        if text := next(filter(None, texts), None) or inherited(base, method):
            return text
    return ast.get_docstring(owner) or ""


def without_shape(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Public functions that take or return arrays and whose docstring names no shape. A method without a docstring has
    that of the base or of its class; one whose arguments say their axes (`logits_BC`) needs no words."""
    owners = {member: node for node in tree.body if isinstance(node, ast.ClassDef) for member in node.body}
    for node in public(tree):
        if not isinstance(node, Function):
            continue
        kinds = [ast.unparse(a.annotation) for a in parameters(node) if a.annotation]
        kinds += [ast.unparse(node.returns)] if node.returns else []
        words = ast.get_docstring(node) or (inherited(owners[node], node.name) if node in owners else "")
        suffixed = any(re.search(r"_[A-Z]{1,4}$", a.arg) for a in parameters(node))
        if ARRAYS.search(" ".join(kinds)) and not suffixed and not SHAPE.search(words):
            yield node.name, node.lineno


def constants(tree: ast.Module) -> set[str]:
    """The constants that a module defines."""
    targets = [t for node in tree.body if isinstance(node, ast.Assign) for t in node.targets]
    targets += [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    names = [leaf for target in targets for leaf in ast.walk(target)]
    return {name.id for name in names if isinstance(name, ast.Name) and CONSTANT.match(name.id)}


def repeated_constants(root: Path = ROOT) -> dict[str, list[str]]:
    """Constants of one name that are defined in more than two modules, with those modules."""
    owners: dict[str, list[str]] = defaultdict(list)
    for package in PACKAGES:
        for path in modules(package, root):
            for name in constants(ast.parse(path.read_text())):
                owners[name].append(str(path.relative_to(root)))
    return {name: paths for name, paths in sorted(owners.items()) if len(paths) > 2}


def room(path: Path, root: Path = ROOT) -> str:
    """The package and its room, `study.run`; a module beside the rooms is of the package itself."""
    parts = path.relative_to(root).parts
    return ".".join(parts[:2]) if len(parts) > 2 else parts[0]


def own(module: str) -> str:
    """The name of a module as its folder says it: `study.run.engine` for `evenkeel.study.run.engine`."""
    return module.removeprefix("evenkeel.")


def crossings(root: Path = ROOT) -> Counter[tuple[str, str]]:
    """How many imports lead from one room into another."""
    counts: Counter[tuple[str, str]] = Counter()
    rooms = {room(path, root) for package in PACKAGES for path in modules(package, root)}
    for package in PACKAGES:
        for path in modules(package, root):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and own(node.module or "").split(".")[0] in PACKAGES:
                    parts = own(node.module or "").split(".")
                    target = ".".join(parts[:2]) if ".".join(parts[:2]) in rooms else parts[0]
                    if target != room(path, root):
                        counts[room(path, root), target] += 1
    return counts


def mutual_rooms(root: Path = ROOT) -> list[tuple[str, str]]:
    """Pairs of rooms that import each other; a package and a room inside it are no pair."""
    edges = set(crossings(root))
    pairs = sorted((a, b) for a, b in edges if a < b and (b, a) in edges)
    return [(a, b) for a, b in pairs if not b.startswith(f"{a}.")]


def fan_out(root: Path = ROOT) -> Counter[str]:
    """How many of our modules each module imports, wherever in it."""
    paths = {path: path.relative_to(root) for package in PACKAGES for path in modules(package, root)}
    names = {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths.values()}
    counts: Counter[str] = Counter()
    for path, shown_as in paths.items():
        imported: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                module = own(node.module or "")
                imported |= {f"{module}.{a.name}" if f"{module}.{a.name}" in names else module for a in node.names}
        counts[str(shown_as)] = len(imported & names)
    return counts


def words(root: Path) -> dict[str, str]:
    """The figures of the words, by what is counted."""
    trees = [ast.parse(path.read_text()) for package in PACKAGES for path in modules(package, root)]
    num_lines = sum(len(path.read_text().splitlines()) for package in PACKAGES for path in modules(package, root))
    bound = [name for tree in trees for name, _ in variables(tree)]
    pronouns = sum(name in PRONOUNS for name in bound)
    lengths = [len((ast.get_docstring(node) or "").split()) for tree in trees for node in public(tree)]
    largest, count = fan_out(root).most_common(1)[0]
    return {
        "variables called by a pronoun": f"{pronouns} of {len(bound):,} ({pronouns / len(bound):.1%})",
        "words of a public docstring, median": f"{statistics.median(n for n in lengths if n):.0f}",
        "public things without a docstring": f"{sum(n == 0 for n in lengths)} of {len(lengths):,}",
        "array functions that name no shape": f"{sum(len(list(without_shape(tree))) for tree in trees)}",
        "largest fan-out": f"{count} ({largest})",
        "string subscripts in 1,000 lines": f"{1000 * sum(map(subscripts, trees)) / num_lines:.1f}",
        "constants of one name in over two modules": f"{len(repeated_constants(root))}",
        "pairs of rooms that import both ways": f"{len(mutual_rooms(root))}",
    }


def print_words(against: str | None) -> None:
    """The figures of the working tree, beside those of a commit."""
    columns = {"now": words(ROOT)}
    if against:
        archive = subprocess.run(["git", "archive", against, *PACKAGES], cwd=ROOT, check=True, capture_output=True)
        with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(archive.stdout)) as file:
            file.extractall(folder, filter="data")
            columns = {against: words(Path(folder)), **columns}
    print(f"\n{'':44}" + "".join(f"{title:>44}" for title in columns))
    for name in columns["now"]:
        print(f"{name:44}" + "".join(f"{column[name]:>44}" for column in columns.values()))


def print_lengths() -> None:
    """Counts by package."""
    print(f"{'':14}{'modules':>8}{'lines':>8}{'longest':>8}{'function':>9}{'over 30':>8}{'keys/1000':>10}{'Any':>7}")
    total = [0, 0, 0, 0, 0]
    for package in PACKAGES:
        texts = [path.read_text() for path in modules(package)]
        trees = [ast.parse(text) for text in texts]
        lines = [len(text.splitlines()) for text in texts]
        spans = [(f.end_lineno or f.lineno) - f.lineno + 1 for tree in trees for f in functions(tree)]
        kinds = [kind for tree in trees for kind in arguments(tree)]
        keys, untyped = sum(map(subscripts, trees)), sum(kind == "Any" or "Any]" in kind for kind in kinds)
        long = sum(span > LONG_FUNCTION for span in spans)
        print(
            f"{package:14}{len(texts):8}{sum(lines):8}{max(lines):8}{statistics.median(spans):9.0f}"
            f"{long / len(spans):8.1%}{1000 * keys / sum(lines):10.1f}{untyped / max(1, len(kinds)):7.1%}"
        )
        total = [a + b for a, b in zip(total, (len(texts), sum(lines), keys, untyped, len(kinds)), strict=True)]
    num, num_lines, keys, untyped, num_arguments = total
    print(f"{'':14}{num:8}{num_lines:8}{'':33}{1000 * keys / num_lines:2.1f}{untyped / num_arguments:7.1%}")


def main() -> None:
    """Print the counts by package, the words, and the imports between rooms."""
    parser = argparse.ArgumentParser(description="How the house stands.")
    parser.add_argument("--against", metavar="COMMIT", help="show the words of this commit too")
    options = parser.parse_args()
    print_lengths()
    print_words(options.against)
    print("\nimports between rooms")
    for (source, target), count in sorted(crossings().items()):
        print(f"  {source:22} -> {target:22}{count:4}")


if __name__ == "__main__":
    main()
