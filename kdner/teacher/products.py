"""The matrix products of an encoder as a GPU computes them fastest, behind the model's own code.

- Linear layers that read the same input, such as query, key and value, become one product.
- GELU after a linear layer is computed within the product, in its tanh form, as cuBLAS has it: it differs from the
  other form by less than bfloat16 rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn


class JointProduct(nn.Module):
    """The product of several linear layers that read the same input; the first of them that is asked computes it."""

    def __init__(self, linears: list[nn.Linear]) -> None:
        super().__init__()
        weight = torch.cat([linear.weight.detach() for linear in linears])
        bias = torch.cat([linear.bias.detach() for linear in linears])
        self.widths = [linear.out_features for linear in linears]
        self.linear = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
        self.linear.weight, self.linear.bias = nn.Parameter(weight), nn.Parameter(bias)
        self.waiting: dict[int, Tensor] = {}

    def forward(self, inputs: Tensor, place: int) -> Tensor:
        """Return what the linear layer at this place returns of an input."""
        if place not in self.waiting:
            self.waiting = dict(enumerate(self.linear(inputs).split(self.widths, dim=-1)))
        return self.waiting.pop(place)


class PartOfProduct(nn.Module):
    """A linear layer that is part of a joint product."""

    def __init__(self, product: JointProduct, place: int) -> None:
        super().__init__()
        self.product, self.place = product, place

    def forward(self, inputs: Tensor) -> Tensor:
        """Return its part; all parts must be asked for with the same input."""
        return self.product(inputs, self.place)


class GeluLinear(nn.Linear):
    """A linear layer and GELU."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(linear.in_features, linear.out_features, device="meta")
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, inputs: Tensor) -> Tensor:
        """Return GELU of the product."""
        product = torch._addmm_activation(self.bias, inputs.flatten(0, -2), self.weight.t(), use_gelu=True)
        return product.unflatten(0, inputs.shape[:-1])


def join_products(layers: nn.Module, run: Callable[[], Any]) -> None:
    """Join the products of an encoder's layers, for inference.

    Args:
        layers: of which modules are replaced.
        run: runs the model once, so that it can be seen which linear layers read the same input.
    """
    for names in _readers_of_one_input(layers, run):
        linears = [cast("nn.Linear", layers.get_submodule(name)) for name in names]
        if len(linears) > 1 and all(linear.bias is not None for linear in linears):
            product = JointProduct(linears)
            for place, name in enumerate(names):
                parent, _, child = name.rpartition(".")
                setattr(layers.get_submodule(parent), child, PartOfProduct(product, place))
    for module in list(layers.modules()):
        children = dict(module.named_children())
        products = {name: child for name, child in children.items() if isinstance(child, nn.Linear)}
        gelus = [name for name, child in children.items() if type(child).__name__ in ("GELU", "GELUActivation")]
        if len(products) == len(gelus) == 1 and len(children) == 2:
            for name, linear in products.items():
                if linear.bias is not None:
                    setattr(module, name, GeluLinear(linear))
                    setattr(module, gelus[0], nn.Identity())


def _readers_of_one_input(layers: nn.Module, run: Callable[[], Any]) -> list[list[str]]:
    """Return the names of the linear layers that read each input, in the order in which they read."""
    inputs: dict[str, Tensor] = {}  # kept, so that no two have the same id
    hooks = []
    for name, module in layers.named_modules():
        if type(module) is nn.Linear:

            def keep(module: nn.Module, arguments: tuple[Tensor, ...], name: str = name) -> None:
                inputs[name] = arguments[0]

            hooks.append(module.register_forward_pre_hook(keep))
    try:
        with torch.inference_mode():
            run()
    finally:
        for hook in hooks:
            hook.remove()
    readers: dict[int, list[str]] = {}
    for name, tensor in inputs.items():
        readers.setdefault(id(tensor), []).append(name)
    return list(readers.values())
