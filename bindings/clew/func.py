"""Functions of functions: derivatives, one call for a batch, modules as functions of their parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import clew
from clew import Tensor, autograd

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "stack_module_state",
    "vjp",
    "vmap",
]


# --- nested lists, tuples and dicts ----------------------------------------------------------------------


def _flatten(tree: Any, out: list) -> Any:
    """Appends the leaves to `out`; returns what `_unflatten` needs."""
    if isinstance(tree, dict):
        return (type(tree), [(key, _flatten(value, out)) for key, value in tree.items()])
    if isinstance(tree, (list, tuple)):
        kind = type(tree) if type(tree) in (list, tuple) or hasattr(tree, "_fields") else tuple
        return (kind, [_flatten(value, out) for value in tree])
    out.append(tree)
    return None


def _unflatten(spec: Any, leaves: Iterator) -> Any:
    if spec is None:
        return next(leaves)
    kind, parts = spec
    if issubclass(kind, dict):
        return kind((key, _unflatten(part, leaves)) for key, part in parts)
    values = [_unflatten(part, leaves) for part in parts]
    return kind(*values) if hasattr(kind, "_fields") else kind(values)


def _map(function: Callable, tree: Any) -> Any:
    leaves: list = []
    spec = _flatten(tree, leaves)
    return _unflatten(spec, iter([function(leaf) for leaf in leaves]))


# --- modules ---------------------------------------------------------------------------------------------


@contextmanager
def _swapped(module: Any, tensors: dict[str, Tensor], tie: bool, strict: bool) -> Iterator[None]:
    places: dict[str, tuple[dict, str]] = {}
    owners: dict[int, list[str]] = {}
    for path, part in module.named_modules(remove_duplicate=False):
        for table in (part._parameters, part._buffers):
            for name, tensor in table.items():
                full = f"{path}.{name}" if path else name
                places[full] = (table, name)
                if tensor is not None:
                    owners.setdefault(id(tensor), []).append(full)
    unknown = sorted(key for key in tensors if key not in places)
    if unknown:
        raise RuntimeError(
            f"functional_call: expected names of parameters and buffers of {type(module).__name__}, got "
            f"{unknown}"
        )
    if strict and set(tensors) != set(places):
        raise RuntimeError(
            "functional_call: expected all names with strict=True, got none for "
            f"{sorted(set(places) - set(tensors))}"
        )
    wanted = dict(tensors)
    if tie:
        for key, value in tensors.items():
            table, name = places[key]
            for other in owners.get(id(table[name]), []):
                wanted.setdefault(other, value)
    before = {key: places[key][0][places[key][1]] for key in wanted}
    try:
        for key, value in wanted.items():
            table, name = places[key]
            table[name] = value
        yield
        for key in tensors:
            table, name = places[key]
            tensors[key] = table[name]  # buffers may have been replaced
    finally:
        for key, value in before.items():
            table, name = places[key]
            table[name] = value


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Calls a module with other tensors in place of its parameters and buffers.

    Args:
        module: as it is; it keeps its own tensors.
        parameter_and_buffer_dicts: tensors by their names in `state_dict`, or a sequence of such dicts.
        args: a tuple, or the only argument.
        kwargs: by name.
        tie_weights: tensors that the module has under several names are replaced together.
        strict: expect all names.
    Returns:
        What the module returns; gradients flow to the given tensors.
    Raises:
        RuntimeError: a name that the module has not.
    Example:
        >>> layer = clew.nn.Linear(2, 1)
        >>> given = {"weight": clew.ones(1, 2), "bias": clew.zeros(1)}
        >>> clew.func.functional_call(layer, given, clew.ones(2)).item()
        2.0
    """
    if isinstance(parameter_and_buffer_dicts, dict):
        tensors = parameter_and_buffer_dicts
    else:
        tensors = {}
        for part in parameter_and_buffer_dicts:
            double = sorted(set(tensors) & set(part))
            if double:
                raise ValueError(f"functional_call: expected each name once, got {double} again")
            tensors.update(part)
    positional = () if args is None else args if isinstance(args, tuple) else (args,)
    with _swapped(module, tensors, tie_weights, strict):
        return module(*positional, **(kwargs or {}))


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Parameters and buffers of models of one kind, each stacked in a new first dimension.

    Args:
        models: modules of one class, all in training mode or none.
    Returns:
        (parameters, buffers) by name, as `functional_call` under `vmap` takes them.
    Raises:
        RuntimeError: no models, or of different classes.
    Example:
        >>> params, _ = clew.func.stack_module_state([clew.nn.Linear(2, 1) for _ in range(3)])
        >>> params["weight"].shape
        clew.Size([3, 1, 2])
    """
    models = list(models)
    if not models or any(type(m) is not type(models[0]) or m.training != models[0].training for m in models):
        raise RuntimeError(
            "stack_module_state: expected models of one class and mode, got "
            f"{sorted({type(m).__name__ for m in models})}"
        )

    def stacked(tables: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        return {key: clew.stack([table[key].detach() for table in tables]) for key in tables[0]}

    parameters = stacked([dict(m.named_parameters()) for m in models])
    for name, p in models[0].named_parameters():
        parameters[name].requires_grad_(p.requires_grad)
    return parameters, stacked([dict(m.named_buffers()) for m in models])


# --- derivatives -----------------------------------------------------------------------------------------


def _leads_elsewhere(results: list[Tensor], own: set[int]) -> bool:
    """Whether the history of `results` ends at a leaf that is none of `own`."""
    todo = [t.grad_fn for t in results if t.grad_fn is not None]
    seen = set()
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.name() == "AccumulateGrad":
            if id(node.variable) not in own:
                return True
            continue
        todo.extend(following for following, _ in node.next_functions if following is not None)
    return False


class _Inputs:
    """The differentiated arguments of one call, as tensors of their own."""

    def __init__(self, name: str, args: tuple, argnums: int | Sequence[int]) -> None:
        self.name = name
        self.single = isinstance(argnums, int)
        numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        for n in numbers:
            if not -len(args) <= n < len(args):
                raise RuntimeError(f"{name}: expected argnums below {len(args)} arguments, got {argnums}")
        self.numbers = [n % len(args) for n in numbers]
        self.tensors: list[Tensor] = []
        self.own: set[int] = set()  # leaves that exist for this call only
        self.specs = []
        self.args = list(args)
        for n in self.numbers:
            leaves: list = []
            spec = _flatten(args[n], leaves)
            fresh = [self._fresh(leaf) for leaf in leaves]
            self.tensors += fresh
            self.specs.append((spec, len(fresh)))
            self.args[n] = _unflatten(spec, iter(fresh))

    def _fresh(self, leaf: Any) -> Tensor:
        if not isinstance(leaf, Tensor):
            raise TypeError(f"{self.name}: expected tensors to differentiate by, got {type(leaf).__name__}")
        if leaf.requires_grad:
            return leaf.view_as(leaf)
        fresh = leaf.detach().requires_grad_()
        self.own.add(id(fresh))
        return fresh

    def arrange(self, values: Sequence[Any]) -> Any:
        """Values, one for each tensor, in the structure of the arguments."""
        values = iter(values)
        parts = [_unflatten(spec, iter([next(values) for _ in range(n)])) for spec, n in self.specs]
        return parts[0] if self.single else tuple(parts)

    def close(self, tree: Any) -> Any:
        """Results without the history that ends with this call."""
        leaves: list = []
        spec = _flatten(tree, leaves)
        tensors = [t for t in leaves if isinstance(t, Tensor) and t.requires_grad]
        if tensors and not _leads_elsewhere(tensors, self.own):
            leaves = [t.detach() if isinstance(t, Tensor) else t for t in leaves]
        return _unflatten(spec, iter(leaves))


def grad_and_value(func: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable:
    """A function that returns the gradient of `func` and its value.

    Args:
        func: returns a tensor of one element; with `has_aux`, a pair of it and anything.
        argnums: the argument, or arguments, to differentiate by; nested lists, tuples and dicts of tensors.
        has_aux: see `func`.
    Returns:
        Function of the same arguments; returns (gradient, value), or (gradient, (value, aux)).
    Example:
        >>> g, y = clew.func.grad_and_value(lambda x: x**2)(clew.tensor(3.0))
        >>> g.item(), y.item()
        (6.0, 9.0)
    """

    def call(*args: Any, **kwargs: Any) -> Any:
        inputs = _Inputs("grad", args, argnums)
        with clew.enable_grad():
            value = func(*inputs.args, **kwargs)
            aux = None
            if has_aux:
                if not (isinstance(value, tuple) and len(value) == 2):
                    raise RuntimeError(
                        f"grad: expected (value, aux) with has_aux=True, got {type(value).__name__}"
                    )
                value, aux = value
            if not isinstance(value, Tensor):
                raise RuntimeError(f"grad: expected a tensor from the function, got {type(value).__name__}")
            if value.numel() != 1:
                raise RuntimeError(
                    f"grad: expected one element from the function, got shape {tuple(value.shape)}"
                )
            grads = _gradients(value, inputs.tensors, clew.ones_like(value))
        result, value, aux = inputs.close((inputs.arrange(grads), value, aux))
        return (result, (value, aux)) if has_aux else (result, value)

    return call


def _gradients(value: Tensor, tensors: Sequence[Tensor], v: Tensor) -> Sequence[Tensor]:
    if not value.requires_grad:
        return [clew.zeros_like(t) for t in tensors]
    return autograd.grad(value, tensors, v, create_graph=True, allow_unused=True, materialize_grads=True)


def grad(func: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable:
    """A function that returns the gradient of `func`.

    Args:
        func: returns a tensor of one element; with `has_aux`, a pair of it and anything.
        argnums: the argument, or arguments, to differentiate by; nested lists, tuples and dicts of tensors.
        has_aux: see `func`.
    Returns:
        Function of the same arguments; returns the gradient, or (gradient, aux).
    Example:
        >>> clew.func.grad(clew.func.grad(lambda x: x**3))(clew.tensor(2.0)).item()
        12.0
    """
    both = grad_and_value(func, argnums, has_aux)

    def call(*args: Any, **kwargs: Any) -> Any:
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return call


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """The value of a function, and the function from its cotangents to gradients.

    Args:
        func: returns a tensor, or nested lists, tuples and dicts of them; with `has_aux`, a pair.
        primals: its arguments.
    Returns:
        (value, vjp_fn), or (value, vjp_fn, aux). `vjp_fn` takes cotangents in the structure of the value and
        returns gradients in a tuple when there is more than one primal.
    Example:
        >>> y, back = clew.func.vjp(lambda x: x * x, clew.tensor([1.0, 2.0]))
        >>> back(clew.ones(2))[0].tolist()
        [2.0, 4.0]
    """
    inputs = _Inputs("vjp", primals, tuple(range(len(primals))))
    with clew.enable_grad():
        value = func(*inputs.args)
        aux = None
        if has_aux:
            value, aux = value
    outputs: list = []
    spec = _flatten(value, outputs)

    def back(*cotangents: Any) -> Any:
        given: list = []
        _flatten(cotangents[0] if len(cotangents) == 1 else cotangents, given)
        if len(given) != len(outputs):
            raise RuntimeError(f"vjp: expected {len(outputs)} cotangents, got {len(given)}")
        pairs = [(y, v) for y, v in zip(outputs, given, strict=True) if y.requires_grad]
        if not pairs:
            grads: Sequence[Tensor] = [clew.zeros_like(t) for t in inputs.tensors]
        else:
            grads = autograd.grad(
                [y for y, _ in pairs],
                inputs.tensors,
                [v for _, v in pairs],
                create_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )
        result = inputs.close(inputs.arrange(grads))
        return result

    closed = inputs.close(_unflatten(spec, iter(outputs)))
    return (closed, back, aux) if has_aux else (closed, back)


def linearize(func: Callable, *primals: Any) -> tuple:
    """The value of a function, and its linear approximation there as a function of tangents.

    Example:
        >>> y, push = clew.func.linearize(lambda x: x * x, clew.tensor(3.0))
        >>> push(clew.tensor(1.0)).item()
        6.0
    """
    inputs = _Inputs("linearize", primals, tuple(range(len(primals))))
    with clew.enable_grad():
        value = func(*inputs.args)
        outputs: list = []
        spec = _flatten(value, outputs)
        # The gradient is linear in the cotangent; its own gradient is the product with tangents.
        cotangents = [clew.zeros_like(y).requires_grad_() for y in outputs]
        inputs.own.update(id(v) for v in cotangents)
        pairs = [(y, v) for y, v in zip(outputs, cotangents, strict=True) if y.requires_grad]
        if pairs:
            grads = autograd.grad(
                [y for y, _ in pairs],
                inputs.tensors,
                [v for _, v in pairs],
                create_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )

    def push(*tangents: Any) -> Any:
        given: list = []
        _flatten(tangents, given)
        if len(given) != len(inputs.tensors):
            raise RuntimeError(f"jvp: expected {len(inputs.tensors)} tangents, got {len(given)}")
        moved: Sequence[Tensor] = [clew.zeros_like(y) for y in outputs]
        tied = [(g, t) for g, t in zip(grads, given, strict=True) if g.requires_grad] if pairs else []
        if tied:
            moved = autograd.grad(
                [g for g, _ in tied],
                cotangents,
                [t for _, t in tied],
                create_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )
        return inputs.close(_unflatten(spec, iter(moved)))

    return inputs.close(_unflatten(spec, iter(outputs))), push


def jvp(func: Callable, primals: tuple, tangents: tuple, *, has_aux: bool = False) -> tuple:
    """The value of a function and its derivative along tangents, by two reverse passes.

    Args:
        func: returns a tensor, or nested lists, tuples and dicts of them; with `has_aux`, a pair.
        primals, tangents: tuples of one structure.
    Returns:
        (value, derivative), or (value, derivative, aux).
    Example:
        >>> clew.func.jvp(lambda x: x**2, (clew.tensor(3.0),), (clew.tensor(1.0),))[1].item()
        6.0
    """
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple) or len(primals) != len(tangents):
        raise RuntimeError("jvp: expected tuples of one length for primals and tangents, got others")
    aux: list = []

    def plain(*args: Any) -> Any:
        value = func(*args)
        if has_aux:
            aux.append(value[1])
            return value[0]
        return value

    value, push = linearize(plain, *primals)
    moved = push(*tangents)
    return (value, moved, aux[0]) if has_aux else (value, moved)


def jacrev(
    func: Callable,
    argnums: int | Sequence[int] = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
) -> Callable:
    """A function that returns the Jacobian of `func`, a row for each element of its value.

    Args:
        func: returns a tensor, or nested lists, tuples and dicts of them; with `has_aux`, a pair.
        argnums: the argument, or arguments, to differentiate by.
        chunk_size: accepted, without effect.
    Returns:
        Function of the same arguments; for a value of shape S and an argument of shape T, a tensor of shape
        S + T, in the structure of the value and, within, of the arguments.
    Example:
        >>> clew.func.jacrev(lambda x: x**2)(clew.tensor([1.0, 2.0])).tolist()
        [[2.0, 0.0], [0.0, 4.0]]
    """

    def call(*args: Any, **kwargs: Any) -> Any:
        inputs = _Inputs("jacrev", args, argnums)
        with clew.enable_grad():
            value = func(*inputs.args, **kwargs)
            aux = None
            if has_aux:
                value, aux = value
            outputs: list = []
            spec = _flatten(value, outputs)
            blocks = []
            for y in outputs:
                n = y.numel()
                rows = [_gradients(y, inputs.tensors, _unit(y, i)) for i in range(n)]
                columns = [
                    clew.stack([row[k] for row in rows]).reshape(*y.shape, *x.shape)
                    if n
                    else x.new_zeros(*y.shape, *x.shape)
                    for k, x in enumerate(inputs.tensors)
                ]
                blocks.append(inputs.arrange(columns))
        result = _unflatten(spec, iter(blocks))
        result, aux = inputs.close((result, aux))
        return (result, aux) if has_aux else result

    return call


def _unit(y: Tensor, i: int) -> Tensor:
    v = clew.zeros(y.numel(), dtype=y.dtype, device=y.device)
    v[i] = 1
    return v.reshape(y.shape)


def jacfwd(
    func: Callable,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    *,
    chunk_size: int | None = None,
    randomness: str = "error",
) -> Callable:
    """As `jacrev`, whose passes it shares."""
    return jacrev(func, argnums, has_aux=has_aux, chunk_size=chunk_size)


def hessian(func: Callable, argnums: int | Sequence[int] = 0) -> Callable:
    """A function that returns the second derivatives of `func`.

    Example:
        >>> clew.func.hessian(lambda x: (x**3).sum())(clew.tensor([1.0, 2.0])).tolist()
        [[6.0, 0.0], [0.0, 12.0]]
    """
    return jacrev(jacrev(func, argnums), argnums)


# --- batches ---------------------------------------------------------------------------------------------


def _batched(tree: Any, dims: Any, sizes: set[int]) -> list:
    """Pairs (leaf, dim) of an argument; a dim of None is for all calls the same."""
    if dims is None or isinstance(dims, int):
        leaves: list = []
        _flatten(tree, leaves)
        pairs = []
        for leaf in leaves:
            if dims is not None:
                if not isinstance(leaf, Tensor) or leaf.dim() == 0:
                    raise ValueError(
                        f"vmap: expected in_dims None for what has no dimension, got {dims} for "
                        f"{type(leaf).__name__}"
                    )
                if not -leaf.dim() <= dims < leaf.dim():
                    raise ValueError(f"vmap: expected in_dims within shape {tuple(leaf.shape)}, got {dims}")
                sizes.add(leaf.shape[dims])
            pairs.append((leaf, dims))
        return pairs
    if isinstance(tree, dict) and isinstance(dims, dict):
        return [pair for key in tree for pair in _batched(tree[key], dims[key], sizes)]
    if isinstance(tree, (list, tuple)) and isinstance(dims, (list, tuple)) and len(tree) == len(dims):
        return [pair for part, d in zip(tree, dims, strict=True) for pair in _batched(part, d, sizes)]
    raise ValueError("vmap: expected in_dims in the structure of the arguments, got another")


def vmap(
    func: Callable,
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable:
    """A function that applies `func` to each slice of its arguments and stacks the results.

    It calls `func` once for each slice, so Python's ifs on values work; operations on the whole batch are
    faster where they can be written.

    Args:
        func: of tensors; returns a tensor, or nested lists, tuples and dicts of them.
        in_dims: which dimension to slice, one number or in the structure of the arguments; None: not at all.
        out_dims: where the new dimension goes in the results.
        randomness, chunk_size: accepted, without effect; each slice draws its own random numbers.
    Returns:
        The function of batches.
    Raises:
        ValueError: batches of different sizes, or nothing to slice.
    Example:
        >>> clew.vmap(clew.dot)(clew.ones(3, 2), clew.ones(3, 2)).tolist()
        [2.0, 2.0, 2.0]
    """

    def call(*args: Any, **kwargs: Any) -> Any:
        sizes: set[int] = set()
        dims = tuple(in_dims) if isinstance(in_dims, (list, tuple)) else (in_dims,) * len(args)
        if len(dims) != len(args):
            raise ValueError(f"vmap: expected in_dims for {len(args)} arguments, got {len(dims)}")
        pairs = _batched(args, dims, sizes)
        named = _batched(kwargs, 0, sizes) if kwargs else []
        if len(sizes) != 1:
            raise ValueError(f"vmap: expected one size to slice, got {sorted(sizes) or 'none'}")
        specs = _flatten(args, []), _flatten(kwargs, [])
        (n,) = sizes
        if n == 0:
            raise ValueError("vmap: expected at least one slice, got a dimension of size 0")
        results, spec = [], None
        for i in range(n):
            here = [leaf if d is None else leaf.select(d, i) for leaf, d in pairs]
            also = [leaf.select(d, i) for leaf, d in named]
            out: list = []
            value = func(*_unflatten(specs[0], iter(here)), **_unflatten(specs[1], iter(also)))
            spec = _flatten(value, out)
            results.append(out)
        count = len(results[0])
        places = [out_dims] * count if isinstance(out_dims, int) else list(out_dims)
        if len(places) != count:
            raise ValueError(f"vmap: expected out_dims for {count} results, got {len(places)}")
        for leaf in results[0]:
            if not isinstance(leaf, Tensor):
                raise ValueError(f"vmap: expected tensors from the function, got {type(leaf).__name__}")
        stacked = [
            results[0][k] if d is None else clew.stack([row[k] for row in results], d)
            for k, d in enumerate(places)
        ]
        return _unflatten(spec, iter(stacked))

    return call


def __getattr__(name: str) -> Any:
    from clew._missing import missing

    raise missing("func", name)
