"""The graph of a model, from the tape of one run, in TensorBoard's form."""

from __future__ import annotations

from typing import Any

from clew import Tensor, enable_grad

__all__ = ["graph_of"]


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for item in value for t in _tensors(item)] if isinstance(value, (list, tuple)) else []


def graph_of(model: Any, input_to_model: Any) -> Any:
    """Runs the model and returns its graph.

    Nodes are the ops of the tape, the parameters under their names, the inputs and the outputs.
    """
    from tensorboardX.proto.graph_pb2 import GraphDef
    from tensorboardX.proto.node_def_pb2 import NodeDef
    from tensorboardX.proto.versions_pb2 import VersionDef

    if input_to_model is None:
        raise ValueError("add_graph: expected an input to run the model with, got None")
    args = input_to_model if isinstance(input_to_model, tuple) else (input_to_model,)
    # Inputs ask for gradients, so that the tape begins with them.
    args = tuple(
        a.detach().requires_grad_() if isinstance(a, Tensor) and a.is_floating_point() else a for a in args
    )
    with enable_grad():
        outputs = _tensors(model(*args))
    roots = [t.grad_fn for t in outputs if t.grad_fn is not None]
    if not roots:
        raise ValueError(
            "add_graph: expected a result with history, got none (does the model compute anything?)"
        )
    leaves = {id(p): f"parameters/{name}" for name, p in model.named_parameters()}
    for i, a in enumerate(args):
        if isinstance(a, Tensor):
            leaves[id(a)] = f"input/{i}"

    names: dict[int, str] = {}
    counts: dict[str, int] = {}
    found: list[tuple[Any, str, str]] = []

    def name_of(node: Any) -> str:
        if id(node) not in names:
            leaf = getattr(node, "variable", None)
            kind = node.name().removesuffix("Backward")
            if leaf is not None:
                name, kind = leaves.get(id(leaf), "leaf"), "Parameter"
                if name.startswith("input/"):
                    kind = "Placeholder"
            else:
                name = kind
            number = counts.get(name, 0)
            counts[name] = number + 1
            names[id(node)] = f"{name}_{number}" if number else name
            found.append((node, names[id(node)], kind))
        return names[id(node)]

    nodes = []
    for i, root in enumerate(roots):
        nodes.append(NodeDef(name=f"output/{i}", op="Output", input=[name_of(root)]))
    at = 0
    while at < len(found):
        node, name, kind = found[at]
        at += 1
        inputs = [name_of(edge[0]) for edge in node.next_functions if edge[0] is not None]
        nodes.append(NodeDef(name=name, op=kind, input=inputs))
    return GraphDef(node=nodes, versions=VersionDef(producer=22))
