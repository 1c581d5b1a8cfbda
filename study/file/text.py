"""YAML as people write it: 1e-1 is a number, a key that comes twice is an error."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import yaml

NUMBER = re.compile(r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$")
"""What YAML 1.1 reads as text when it lacks the point or the sign."""
OCTAL = re.compile(r"[-+]?0[0-7_]+$")
"""What YAML 1.1 reads by base eight: 010 is 8."""
MAX_NODES, MAX_DEPTH = 20_000, 50
"""Keys and values of a text, aliases counted where they are used, and how deep they may lie in each other."""
MAX_DIGITS = 300
"""Of a number: no float has more before its point, and longer ones take Python ever longer to read."""


class _Loader(yaml.SafeLoader):
    """Reads what a person writes, and stops at what only a machine would: within a second, whatever comes."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.num_nodes = self.depth = 0
        self.sizes: dict[int, int] = {}
        """By the id of a node: how many nodes lie in it, itself included."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """One key or value with all that lies in it; an alias counts as much as what it stands for."""
        event, before = self.peek_event(), self.num_nodes
        mark, is_alias = event.start_mark, isinstance(event, yaml.AliasEvent)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {MAX_DEPTH} levels", problem_mark=mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        if is_alias and id(node) not in self.sizes:
            raise yaml.MarkedYAMLError(problem="an alias stands within what it names", problem_mark=mark)
        self.num_nodes += self.sizes[id(node)] if is_alias else 1
        if self.num_nodes > MAX_NODES:
            raise yaml.MarkedYAMLError(problem=f"more than {MAX_NODES:,} keys and values", problem_mark=mark)
        self.sizes.setdefault(id(node), self.num_nodes - before)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<")
        if twice := next((name for name, num in names.items() if num > 1), None):
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice!r} appears twice", node.start_mark)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        if len(node.value) > MAX_DIGITS:
            raise yaml.MarkedYAMLError(
                problem=f"a number of {len(node.value):,} digits; at most {MAX_DIGITS}", problem_mark=node.start_mark
            )
        if OCTAL.match(node.value):
            raise _ambiguous(node, "base eight")
        return self._decimal(node, super().construct_yaml_int)

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        return self._decimal(node, super().construct_yaml_float)

    def _decimal(self, node: yaml.ScalarNode, construct: Callable[[yaml.ScalarNode], Any]) -> Any:
        if ":" in node.value:
            raise _ambiguous(node, "base sixty")
        return construct(node)


def _ambiguous(node: yaml.ScalarNode, base: str) -> yaml.MarkedYAMLError:
    problem = f"YAML reads {node.value} as a number of {base}; write a plain number, or put a text in quotes"
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", NUMBER, list("-+.0123456789"))


def read_yaml(text: str) -> Any:
    """The value. Raises ValueError with one line that says what is wrong and where."""
    try:
        return yaml.load(text, Loader=_Loader)  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"{position}{error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
