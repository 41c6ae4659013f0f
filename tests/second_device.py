"""A second device that any machine has: a GPU's rules about where tensors lie, without a GPU.

Its tensors (`Far`) call themselves tensors of the device `meta`, which torch always has; their numbers are in main memory. Every
operation is carried out there, after a check that a GPU makes too: no tensor of the host may meet one of the device. What a GPU
allows is allowed: single numbers, copies between both, and positions on the host in an index.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

DEVICE = torch.device("meta")
CROSSING = {"aten::copy_", "aten::_to_copy", "aten::_foreach_copy_"}
"""Operations that bring numbers from one device to the other."""


class HostMeetsDeviceError(RuntimeError):
    """A tensor of the host and one of the device in one operation."""


class Far(torch.Tensor):
    """A tensor on the second device; `near` has its numbers."""

    near: torch.Tensor

    @staticmethod
    def __new__(cls, near: torch.Tensor) -> "Far":
        found = torch.Tensor._make_wrapper_subclass(
            cls, near.shape, strides=near.stride(), storage_offset=near.storage_offset(), dtype=near.dtype, device=DEVICE
        )  # fmt: skip
        found.near = near
        return found

    def __repr__(self) -> str:
        return f"Far({self.near!r})"

    def __reduce_ex__(self, protocol: int) -> Any:
        return self.near.__reduce_ex__(protocol)  # a checkpoint is read on any device

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.Tensor.tolist, torch.Tensor.data_ptr):
            return func(args[0].near)
        if func in (torch.Tensor.numpy, torch.Tensor.__array__):
            raise HostMeetsDeviceError("numpy() of a tensor on the device; copy it with cpu() first")
        if func is torch.Tensor.new_tensor:
            where = kwargs.pop("device", None) or args[0].device
            dtype = kwargs.pop("dtype", None) or args[0].dtype
            return torch.tensor(*args[1:], dtype=dtype, **kwargs).to(where)
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **kwargs)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return carry_out(func, args, kwargs or {})


def tensors_in(values: Iterable[Any]) -> Iterator[torch.Tensor]:
    """The tensors among arguments and in lists of them; torch's own `tree_flatten` takes several times as long."""
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from tensors_in(value)


def carry_out(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """An operation as a machine with two devices does it."""
    leaves = list(tensors_in((*args, *kwargs.values())))
    far = [leaf for leaf in leaves if isinstance(leaf, Far)]
    wanted = kwargs.get("device")
    name = func._schema.name
    to_far = (bool(far) and wanted is None) or (wanted is not None and torch.device(wanted) == DEVICE)
    if far and name not in CROSSING:
        indexed = name in ("aten::index", "aten::index_put", "aten::index_put_") and isinstance(args[0], Far)
        ours = list(tensors_in([args[0], *args[2:]])) if indexed else leaves
        near = [tensor for tensor in ours if not isinstance(tensor, Far) and tensor.ndim]
        if near:
            shapes = ", ".join(f"{'device' if isinstance(t, Far) else 'host'} {tuple(t.shape)}" for t in leaves)
            raise HostMeetsDeviceError(f"{name}: {shapes}")
    if not far and not to_far:
        return func(*args, **kwargs)
    wrapped = {id(leaf.near): leaf for leaf in far}
    args, kwargs = tree_map(lambda leaf: leaf.near if isinstance(leaf, Far) else leaf, (args, kwargs))
    if wanted is not None:
        kwargs["device"] = torch.device("cpu")
    result = func(*args, **kwargs)
    if name in ("aten::copy_", "aten::_foreach_copy_"):  # the result lies where the first argument does
        to_far = True

    def wrap(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        if id(value) in wrapped:  # changed in place
            return wrapped[id(value)]
        return Far(value) if to_far and not any(value is leaf for leaf in leaves) else value

    return tree_map(wrap, result)


class _Dispatch(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return carry_out(func, args, kwargs or {})


class _Functions(TorchFunctionMode):
    """`torch.tensor` leaves the numbers out where the device is `meta`."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.tensor, torch.as_tensor) and not isinstance(args[0], torch.Tensor):
            where = kwargs.pop("device", None)
            found = func(*args, **kwargs)
            return found if where is None else found.to(where)
        return func(*args, **kwargs)


@contextmanager
def second_device() -> Iterator[torch.device]:
    """Inside this context, `.to(device)` brings models and tensors to a device that is not the host."""
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with _Functions(), _Dispatch():
            yield DEVICE
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)
