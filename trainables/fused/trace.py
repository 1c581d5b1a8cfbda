"""Reads the formula of a loss by running its methods on symbols: arithmetic is written down instead of done.

The eager methods stay the only place where a formula is written; compile.py turns what is recorded here into C.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from evenkeel.trainables.losses.entrywise import EntryLoss

UNARY = {"neg", "exp", "log", "log1p", "abs", "relu", "sign"}
BINARY = {"add", "sub", "mul", "div", "gt", "lt", "ge", "le", "clamp_min", "clamp_max", "minimum", "where"}
ALIASES = {"true_divide": "div", "subtract": "sub", "multiply": "mul", "negative": "neg", "maximum": "clamp_min"}
FOLDED: dict[str, Callable] = {
    "neg": operator.neg,
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
}


class NotTraceable(Exception):
    """A loss uses something that has no counterpart in a kernel; it runs eagerly."""


@dataclass
class Graph:
    """Operations in the order of their numbers; equal ones share a number. Inputs are tensors met on the way."""

    nodes: list[tuple] = field(default_factory=list)
    numbers: dict[tuple, int] = field(default_factory=dict)
    inputs: list[Tensor | str] = field(default_factory=list)
    parameters: list[float] = field(default_factory=list)

    def add(self, op: str, *args: Any) -> "Symbol":
        key = (op, *args)
        if key not in self.numbers:
            self.numbers[key] = len(self.nodes)
            self.nodes.append(key)
        return Symbol(self, self.numbers[key])

    def input(self, tensor: Tensor | str) -> "Symbol":
        """A tensor of any shape known now, or by name one that each call brings."""
        for number, constant in enumerate(self.inputs):
            if constant is tensor:
                return self.add("input", number)
        self.inputs.append(tensor)
        return self.add("input", len(self.inputs) - 1)

    def folded(self, name: str, *numbers: int, values: list) -> "Symbol":
        """Arithmetic of hyperparameters alone, done once here."""
        key = ("folded", name, *numbers)
        if key not in self.numbers:
            self.numbers[key] = self.input(FOLDED[name](*values)).number
        return Symbol(self, self.numbers[key])

    def parameter(self, value: float) -> "Symbol":
        self.parameters.append(value)
        return self.add("parameter", len(self.parameters) - 1)

    def symbol(self, value: Any) -> "Symbol":
        if isinstance(value, Symbol):
            return value
        return self.input(value) if isinstance(value, Tensor) else self.add("literal", float(value))


def _operator(name: str, swapped: bool = False) -> Callable[["Symbol", Any], "Symbol"]:
    def method(self: "Symbol", other: Any) -> "Symbol":
        return record(self.graph, name, other, self) if swapped else record(self.graph, name, self, other)

    return method


@dataclass(frozen=True, eq=False)
class Symbol:
    """One recorded value. Takes part in torch functions and operators like a tensor."""

    graph: Graph
    number: int

    dtype = torch.float32
    device = torch.device("cpu")

    @property
    def node(self) -> tuple:
        return self.graph.nodes[self.number]

    @property
    def known(self) -> Tensor | float | None:
        """The value of a hyperparameter or a literal, a number or [K, 1, 1]; None for what only a call knows."""
        kind, *args = self.node
        if kind == "input":
            value = self.graph.inputs[args[0]]
            return None if isinstance(value, str) else value
        return args[0] if kind == "literal" else self.graph.parameters[args[0]] if kind == "parameter" else None

    def min(self) -> float:
        """The smallest value of a hyperparameter."""
        value = self.known
        if value is None:
            raise NotTraceable("a branch on a value")
        return float(value.min()) if isinstance(value, Tensor) else value

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> "Symbol":
        graph = next(a.graph for a in args if isinstance(a, Symbol))
        return record(graph, function.__name__, *args)

    __add__, __radd__ = _operator("add"), _operator("add", swapped=True)
    __sub__, __rsub__ = _operator("sub"), _operator("sub", swapped=True)
    __mul__, __rmul__ = _operator("mul"), _operator("mul", swapped=True)
    __truediv__, __rtruediv__ = _operator("div"), _operator("div", swapped=True)
    __gt__, __lt__, __ge__, __le__ = (_operator(name) for name in ("gt", "lt", "ge", "le"))

    def __neg__(self) -> "Symbol":
        return record(self.graph, "neg", self)

    def __bool__(self) -> bool:
        raise NotTraceable("a branch on a value")

    def __getattr__(self, name: str) -> Callable[..., "Symbol"]:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args: record(self.graph, name, self, *args)


def record(graph: Graph, name: str, *args: Any) -> Symbol:
    """The symbol of `name` applied to symbols, tensors and numbers, simplified where that keeps its value."""
    reverse = name.startswith("__r")
    name = name.strip("_").removeprefix("r" if reverse else "")
    name = ALIASES.get(name, name.removeprefix("true"))
    symbols = [graph.symbol(a) for a in (reversed(args) if reverse else args)]
    if name == "clone":
        return symbols[0]
    if name == "zeros_like":
        return graph.add("literal", 0.0)
    if name == "sigmoid":
        return _sigmoid(graph, symbols[0])
    if name == "softplus":
        return symbols[0].relu() + symbols[0].abs().neg().exp().log1p()
    if name == "threshold":
        value, limit, instead = symbols
        return record(graph, "where", value <= limit, instead, value)
    if name not in UNARY | BINARY:
        raise NotTraceable(name)
    constants = [s.known for s in symbols]
    if name in FOLDED and any(isinstance(k, Tensor) for k in constants) and all(k is not None for k in constants):
        return graph.folded(name, *(s.number for s in symbols), values=constants)
    simple = _simplified(graph, name, symbols)
    return graph.add(name, *(s.number for s in symbols)) if simple is None else simple


def _sigmoid(graph: Graph, x: Symbol) -> Symbol:
    """Through exp(-|x|), which softplus and the sigmoid of the other sign use too."""
    mirrored = x.node[0] == "neg"
    x = Symbol(graph, x.node[1]) if mirrored else x
    e = record(graph, "exp", -record(graph, "abs", x))
    larger = 1 / (e + 1)
    parts = (e * larger, larger) if mirrored else (larger, e * larger)
    return record(graph, "where", x >= 0, *parts)


def _simplified(graph: Graph, name: str, symbols: list[Symbol]) -> Symbol | None:
    first, nodes = symbols[0], [s.node for s in symbols]
    if name in ("neg", "abs") and nodes[0][0] == "neg":
        inner = Symbol(graph, nodes[0][1])
        return inner if name == "neg" else record(graph, "abs", inner)
    if name == "sign" and nodes[0][0] == "relu":
        return graph.add("step", first.number)
    if name == "div" and nodes[0] != ("literal", 1.0):
        divisor = symbols[1]
        if divisor.known is not None or divisor.node[0] == "num_classes":  # its reciprocal is found once
            return first * (1 / divisor)
    if name in FOLDED and all(node[0] == "literal" for node in nodes):
        return graph.add("literal", FOLDED[name](*(node[1] for node in nodes)))
    if name in ("add", "mul") and nodes[0] == ("literal", 0.0 if name == "add" else 1.0):
        return symbols[1]
    if name in ("add", "sub", "mul", "div") and nodes[1] == ("literal", 0.0 if name in ("add", "sub") else 1.0):
        return first
    return None


@dataclass(frozen=True)
class Formula:
    """A loss as a kernel computes it: value and slope of a negative and of a positive entry."""

    graph: Graph
    negative: tuple[Symbol, Symbol]
    positive: tuple[Symbol, Symbol]

    @cached_property
    def inputs(self) -> list[int]:
        """Numbers of the graph's inputs that the kernel reads, in its order."""
        nodes = [self.graph.nodes[n] for side in (self.negative, self.positive) for n in self.used(side)]
        return sorted({node[1] for node in nodes if node[0] == "input"})

    def used(self, results: tuple[Symbol, Symbol]) -> list[int]:
        """Numbers of the nodes that `results` need, in order."""
        needed = {symbol.number for symbol in results}
        for number in range(max(needed), -1, -1):
            op, *args = self.graph.nodes[number]
            if number in needed and op not in ("literal", "parameter", "input"):
                needed |= set(args)
        return sorted(needed)


def trace(loss: EntryLoss) -> Formula:
    """The formula of an entrywise loss, for the logits that its two sides take. Raises NotTraceable."""
    graph = Graph()
    traced = _with_symbols(loss, graph)
    x, places = graph.add("logit"), _Places(graph)
    weights = traced.entry_weights(x, graph.input("row") if loss.needs_row else None)

    def weighed(side: Any) -> tuple[Symbol, Symbol]:
        value, slope = side if weights is None else (part * weights for part in side)
        return graph.symbol(value), graph.symbol(slope)

    return Formula(graph, weighed(traced.negative(x, places)), weighed(traced.positive(x, places)))


def _with_symbols(loss: EntryLoss, graph: Graph) -> Any:
    """A copy whose broken hyperparameters are symbols. Whole numbers stay: terms vanish, powers become products.

    What only makes class weights stays a number or tensor: the weights are worked out once, in double precision.
    """
    traced = object.__new__(type(loss))
    for name in (f.name for f in fields(loss)):  # type: ignore[arg-type]
        value = getattr(loss, name)
        if isinstance(value, Tensor) and bool((value == 0).all()):
            value = 0.0
        if name not in loss.makes_weights:
            if isinstance(value, Tensor):
                value = graph.input(value)
            elif isinstance(value, float) and not value.is_integer():
                value = graph.parameter(value)
        object.__setattr__(traced, name, value)
    return traced


@dataclass(frozen=True)
class _Places:
    """Takes the part of `Places` for entries that know their class by where they lie."""

    graph: Graph

    @property
    def num_classes(self) -> Symbol:
        return self.graph.add("num_classes")

    def per_class(self, values: Any) -> Symbol:
        return self.graph.symbol(values)
