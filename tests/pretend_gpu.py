"""A GPU where there is none: tensors that say they are on `cuda`, are computed on the CPU, and refuse to meet others.

What a GPU refuses is refused here: one operation on tensors of both devices, a tensor of the CPU indexed by one of the
GPU, numpy on a tensor of the GPU. Not here: streams, memory, kernels. Import it before what it is to watch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._contextlib import _DecoratorContextManager
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

CUDA, CPU = torch.device("cuda:0"), torch.device("cpu")
ATEN = torch.ops.aten
INDEXES = {ATEN.index.Tensor, ATEN.index_put.default, ATEN.index_put_.default, ATEN._index_put_impl_.default}
"""A tensor of the GPU may be indexed by one of the CPU."""
MOVES = {ATEN.copy_.default, ATEN._to_copy.default}
WHOLE = {"one_hot"}
"""Made of several operations below Python, which would ask for places by the device that these tensors truly have."""
MAKERS = {
    "tensor",
    "as_tensor",
    "zeros",
    "ones",
    "empty",
    "full",
    "arange",
    "rand",
    "randn",
    "randint",
    "randperm",
    "eye",
    "linspace",
}


class OnGpu(torch.Tensor):
    """Holds a tensor of the CPU; `device` is answered by `Places`."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> "OnGpu":
        layout = {"strides": inner.stride(), "storage_offset": inner.storage_offset(), "dtype": inner.dtype}
        self = torch.Tensor._make_wrapper_subclass(cls, inner.shape, device=CPU, **layout)
        self.inner = inner
        return self

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


def _of_gpu(device: Any) -> bool:
    return device is not None and torch.device(device).type == "cuda"


def _inner(value: Any) -> Any:
    return value.inner if isinstance(value, OnGpu) else value


def _computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    there = [tensor for tensor in tensors if isinstance(tensor, OnGpu)]
    here = [tensor for tensor in tensors if not isinstance(tensor, OnGpu) and tensor.ndim]
    if there and here and func not in MOVES and not (func in INDEXES and isinstance(args[0], OnGpu)):
        raise RuntimeError(f"{func}: some tensors are on cuda, others of {[tuple(t.shape) for t in here]} on the cpu")
    if "device" in kwargs:
        kwargs = kwargs | {"device": CPU}
    with torch._C.DisableTorchFunctionSubclass():
        found = func(*tree_map(_inner, args), **tree_map(_inner, kwargs))
    known = {id(tensor.inner): tensor for tensor in there}  # what works in place gives its own back
    if func is ATEN.copy_.default:
        return args[0]

    def placed(value: Any) -> Any:
        return known.get(id(value), OnGpu(value)) if isinstance(value, torch.Tensor) and there else value

    return tree_map(placed, found)


class _Watched(TorchDispatchMode):
    """Operations on tensors of the CPU alone meet those of the GPU here."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        of_gpu = any(isinstance(leaf, OnGpu) for leaf in tree_leaves((args, kwargs or {})))
        return _computed(func, args, kwargs or {}) if of_gpu else func(*args, **(kwargs or {}))


class _Moved(torch.autograd.Function):
    """To the GPU and back, with gradients."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, there: bool) -> torch.Tensor:
        ctx.was_there = isinstance(x, OnGpu)
        return x.view_as(x) if there == ctx.was_there else OnGpu(x.detach()) if there else _inner(x).detach()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        there = isinstance(gradient, OnGpu)
        return gradient if there == ctx.was_there else OnGpu(gradient) if ctx.was_there else _inner(gradient), None


class Places(TorchFunctionMode):
    """What Python asks of tensors before torch would look for a driver: where they are, and to be moved."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = dict(kwargs or {}), getattr(func, "__name__", "")
        there = bool(args) and isinstance(args[0], OnGpu)
        if func == torch.Tensor.device.__get__:
            return CUDA if there else CPU
        if func == torch.Tensor.is_cpu.__get__:
            return not there
        if name == "to":
            return self._to(*args, **kwargs)
        if name in ("cpu", "cuda"):
            return _Moved.apply(args[0], name == "cuda")
        if name == "tolist" and there:
            return args[0].inner.tolist()
        if name == "numpy" and there:
            raise TypeError("a tensor on cuda cannot be converted to numpy")
        if name in WHOLE and any(isinstance(arg, OnGpu) for arg in args):
            return OnGpu(func(*map(_inner, args), **kwargs))
        if name in MAKERS and _of_gpu(kwargs.get("device")):
            return OnGpu(func(*args, **kwargs | {"device": CPU}))
        return func(*args, **kwargs)

    @staticmethod
    def _to(tensor: torch.Tensor, *args: Any, device: Any = None, non_blocking: bool = False, **kwargs: Any) -> Any:
        places = [arg for arg in (*args, device) if isinstance(arg, str | torch.device)]
        like = next((arg for arg in args if isinstance(arg, torch.Tensor)), None)
        types = [arg for arg in args if isinstance(arg, torch.dtype)] + ([] if like is None else [like.dtype])
        wanted = {key: value for key, value in kwargs.items() if value is not None}
        if places or like is not None:
            tensor = _Moved.apply(tensor, isinstance(like, OnGpu) if like is not None else _of_gpu(places[0]))
        return tensor.to(*types, **wanted) if types or wanted else tensor


class _NoGradient(_DecoratorContextManager):
    """In place of inference mode, which such tensors do not know; as there, it holds in each step of a generator."""

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode

    def clone(self) -> "_NoGradient":
        return _NoGradient(self.mode)

    def __enter__(self) -> None:
        self.before = torch.is_grad_enabled()
        torch._C._set_grad_enabled(self.before and not self.mode)

    def __exit__(self, *_: object) -> None:
        torch._C._set_grad_enabled(self.before)


torch.inference_mode = _NoGradient  # type: ignore[misc,assignment]


@contextmanager
def pretended() -> Iterator[None]:
    """Within, `cuda` is a place."""
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    with mock.patch.object(torch.Tensor, "pin_memory", lambda self: self), _Watched(), Places():
        yield
