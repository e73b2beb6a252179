"""A model without some of its layers, which drafts for the whole one (self-speculation: Zhang et al. 2024)."""

import copy
from collections.abc import Sequence
from typing import Any

import torch

from spechub_lp.errors import SpecHubError


def without_layers(model: Any, skipped: Sequence[int]) -> Any:
    """Make the same model without some layers.

    It shares the weights and can run beside the whole one, with a cache of its own.

    Parameters
    ----------
    model
        As transformers has it.
    skipped
        Numbers of layers.

    Returns
    -------
    model
        With the other layers.

    Raises
    ------
    SpecHubError
        The model has no such layer.
    """
    name, layers = _layers(model)
    if wrong := [n for n in skipped if not 0 <= n < len(layers)]:
        raise SpecHubError(f"skip:{wrong[0]}, but the target has layers 0 to {len(layers) - 1}")
    kept = [_shallow(layer) for i, layer in enumerate(layers) if i not in skipped]
    for index, layer in enumerate(kept):
        for child_name, child in layer.named_children():
            if hasattr(child, "layer_idx"):
                child = _shallow(child)
                child.layer_idx = index
                layer._modules[child_name] = child
    out = part = _shallow(model)
    *path, last = name.split(".")
    for step in path:
        part._modules[step] = _shallow(part._modules[step])
        part = part._modules[step]
    part._modules[last] = torch.nn.ModuleList(kept)
    for module in (out, part):
        module.config = copy.copy(model.config)
        module.config.num_hidden_layers = len(kept)
        if getattr(model.config, "layer_types", None):
            module.config.layer_types = [t for i, t in enumerate(model.config.layer_types) if i not in skipped]
    return out


def _layers(model: Any) -> tuple[str, Any]:
    """The name of the list of layers, and the list."""
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == model.config.num_hidden_layers:
            return name, module
    raise SpecHubError(f"{type(model).__name__} has no list of {model.config.num_hidden_layers} layers to skip from")


def _shallow(module: Any) -> Any:
    """A copy that shares parameters and children, until they are replaced."""
    out = copy.copy(module)
    out._modules = dict(module._modules)
    return out
