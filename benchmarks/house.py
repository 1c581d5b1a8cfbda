"""How the house stands: lengths, untyped crossings, imports between rooms. Run: make house

Counted are the four packages, without tests. A string subscript is `x["key"]` where a value is read or written;
annotations do not count. `Any` is counted among the annotated arguments of functions.
"""

import ast
import statistics
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("study", "trainables", "search_spaces", "reports")
LONG_FUNCTION, LONG_MODULE = 30, 300

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(package: str) -> list[Path]:
    """The modules of a package, in order."""
    return sorted((ROOT / package).rglob("*.py"))


def subscripts(tree: ast.AST) -> int:
    """How often a literal string is a key."""
    return sum(
        isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
        for node in ast.walk(tree)
    )


def functions(tree: ast.AST) -> list[Function]:
    """Every function and method."""
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def arguments(tree: ast.AST) -> Iterator[str]:
    """The annotation of every argument, as text; without self and cls."""
    for function in functions(tree):
        given = function.args
        for argument in [*given.posonlyargs, *given.args, *given.kwonlyargs]:
            if argument.arg not in ("self", "cls"):
                yield ast.unparse(argument.annotation) if argument.annotation else ""


def room(path: Path) -> str:
    """The package and its room, `study.run`; a module beside the rooms is of the package itself."""
    parts = path.relative_to(ROOT).parts
    return ".".join(parts[:2]) if len(parts) > 2 else parts[0]


def own(module: str) -> str:
    """The name of a module as its folder says it: `study.run.engine` for `evenkeel.study.run.engine`."""
    return module.removeprefix("evenkeel.")


def crossings() -> Counter[tuple[str, str]]:
    """How many imports lead from one room into another."""
    found: Counter[tuple[str, str]] = Counter()
    rooms = {room(path) for package in PACKAGES for path in modules(package)}
    for package in PACKAGES:
        for path in modules(package):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and own(node.module or "").split(".")[0] in PACKAGES:
                    parts = own(node.module or "").split(".")
                    target = ".".join(parts[:2]) if ".".join(parts[:2]) in rooms else parts[0]
                    if target != room(path):
                        found[room(path), target] += 1
    return found


def main() -> None:
    """Print the counts by package and the imports between rooms."""
    print(f"{'':14}{'modules':>8}{'lines':>8}{'longest':>8}{'function':>9}{'over 30':>8}{'keys/1000':>10}{'Any':>7}")
    total = [0, 0, 0, 0, 0]
    for package in PACKAGES:
        paths = modules(package)
        texts = [path.read_text() for path in paths]
        trees = [ast.parse(text) for text in texts]
        lines = [len(text.splitlines()) for text in texts]
        spans = [(f.end_lineno or f.lineno) - f.lineno + 1 for tree in trees for f in functions(tree)]
        kinds = [kind for tree in trees for kind in arguments(tree)]
        keys, untyped = sum(map(subscripts, trees)), sum(kind == "Any" or "Any]" in kind for kind in kinds)
        long = sum(span > LONG_FUNCTION for span in spans)
        print(
            f"{package:14}{len(paths):8}{sum(lines):8}{max(lines):8}{statistics.median(spans):9.0f}"
            f"{long / len(spans):8.1%}{1000 * keys / sum(lines):10.1f}{untyped / max(1, len(kinds)):7.1%}"
        )
        total = [a + b for a, b in zip(total, (len(paths), sum(lines), keys, untyped, len(kinds)), strict=True)]
    num, lines_all, keys, untyped, given = total
    print(f"{'':14}{num:8}{lines_all:8}{'':33}{1000 * keys / lines_all:2.1f}{untyped / given:7.1%}")
    print("\nimports between rooms")
    for (source, target), count in sorted(crossings().items()):
        print(f"  {source:22} -> {target:22}{count:4}")


if __name__ == "__main__":
    main()
