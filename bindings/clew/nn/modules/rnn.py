"""Recurrent layers and cells."""

from __future__ import annotations

import math
import numbers
import warnings
from typing import Any

import clew
from clew import _C, Tensor
from clew.nn import init
from clew.nn.modules.module import Module
from clew.nn.parameter import Parameter
from clew.nn.utils.rnn import PackedSequence

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

_ops = _C.ops
_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}
_RUN = {"LSTM": _ops.lstm, "GRU": _ops.gru, "RNN_TANH": _ops.rnn_tanh, "RNN_RELU": _ops.rnn_relu}


class RNNBase(Module):
    """What RNN, LSTM and GRU share: parameters, checks and the call; see those.

    Args:
        mode: "LSTM", "GRU", "RNN_TANH" or "RNN_RELU".
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, device,
            dtype: as in LSTM.
    """

    input_size: int
    hidden_size: int

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if mode not in _GATES:
            raise ValueError(f"{name}: expected mode in {list(_GATES)}, got {mode!r}")
        if not isinstance(dropout, numbers.Number) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(f"{name}: expected dropout in [0, 1], got {dropout!r}")
        for what, value in (
            ("input_size", input_size),
            ("hidden_size", hidden_size),
            ("num_layers", num_layers),
        ):
            if not isinstance(value, int):
                raise TypeError(f"{name}: expected an int as {what}, got {type(value).__name__}")
        for what, value in (("hidden_size", hidden_size), ("num_layers", num_layers)):
            if value <= 0:
                raise ValueError(f"{name}: expected {what} > 0, got {value}")
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                f"{name}: dropout acts between layers, so it does nothing with num_layers=1 "
                f"(got dropout={dropout})",
                stacklevel=3,
            )
        if not 0 <= proj_size < hidden_size:
            raise ValueError(f"{name}: expected proj_size in [0, hidden_size), got {proj_size}")
        if proj_size > 0 and mode != "LSTM":
            raise ValueError(f"{name}: expected proj_size with LSTM only, got {proj_size}")
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        out = proj_size or hidden_size
        directions = 2 if bidirectional else 1
        width = _GATES[mode] * hidden_size
        self._all_names: list[list[str]] = []
        for layer in range(num_layers):
            features = input_size if layer == 0 else out * directions
            for direction in range(directions):
                suffix = f"_l{layer}{'_reverse' if direction else ''}"
                shapes = {"weight_ih": (width, features), "weight_hh": (width, out)}
                if bias:
                    shapes.update(bias_ih=(width,), bias_hh=(width,))
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                for what, shape in shapes.items():
                    self.register_parameter(
                        what + suffix, Parameter(clew.empty(*shape, device=device, dtype=dtype))
                    )
                self._all_names.append([what + suffix for what in shapes])
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws all parameters anew, from U(-k, k) with k = 1 / sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_names]

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_names for name in names]

    @property
    def _flat_weights(self) -> list[Tensor]:
        return [getattr(self, name) for names in self._all_names for name in names]

    def flatten_parameters(self) -> None:
        """Does nothing: the kernels take the parameters where they are."""

    def _check_input(self, input: Tensor, packed: bool) -> None:
        name = type(self).__name__
        if packed:
            if input.ndim != 2:
                raise clew.ShapeError(
                    f"{name}: expected packed data of shape (rows, features), got {tuple(input.shape)}"
                )
        elif input.ndim not in (2, 3):
            order = "(B, T, features)" if self.batch_first else "(T, B, features)"
            raise clew.ShapeError(
                f"{name}: expected input of shape (T, features) or {order}, got {tuple(input.shape)}"
            )
        if input.shape[-1] != self.input_size:
            raise clew.ShapeError(
                f"{name}: expected {self.input_size} features (input_size), got {input.shape[-1]} "
                f"(input {tuple(input.shape)})"
            )
        weight = self.weight_ih_l0
        if input.dtype != weight.dtype and not clew.amp.is_autocast_enabled("cpu"):
            raise clew.DTypeError(
                f"{name}: expected input of dtype {weight.dtype}, that of the parameters, got {input.dtype} "
                "(convert one of them with to())"
            )

    def _check_state(self, what: str, state: Tensor, width: int, batch: int, batched: bool) -> None:
        cells = self.num_layers * (2 if self.bidirectional else 1)
        want = (cells, batch, width) if batched else (cells, width)
        if tuple(state.shape) != want:
            raise clew.ShapeError(
                f"{type(self).__name__}: expected {what} of shape {want}, got {tuple(state.shape)}"
            )

    def forward(self, input: Tensor | PackedSequence, hx: Any = None) -> tuple[Any, Any]:
        """Runs the sequences.

        Args:
            input: shape (T, B, input_size), (B, T, input_size) with batch_first, (T, input_size), or packed.
            hx: the initial state, default zeros; a pair (h0, c0) for LSTM.
        Returns:
            (output, state): `output` as `input`, with the last layer's states; the last state of every
            layer and direction.
        Raises:
            clew.ShapeError: the shapes do not fit together.
            clew.DTypeError: another dtype than that of the parameters.
        """
        lstm = self.mode == "LSTM"
        packed = isinstance(input, PackedSequence)
        order = back = batch_sizes = None
        batched = True
        if packed:
            data, batch_sizes, order, back = input
            self._check_input(data, True)
            batch = int(batch_sizes[0])
        else:
            data = input
            self._check_input(data, False)
            batched = data.ndim == 3
            if not batched:
                data = data.unsqueeze(0 if self.batch_first else 1)
            batch = data.shape[0 if self.batch_first else 1]
        out = self.proj_size or self.hidden_size
        if hx is None:
            cells = self.num_layers * (2 if self.bidirectional else 1)
            h0 = clew.zeros(cells, batch, out, dtype=data.dtype, device=data.device)
            c0 = h0
            if lstm and self.proj_size:
                c0 = clew.zeros(cells, batch, self.hidden_size, dtype=data.dtype, device=data.device)
        else:
            if lstm and not (isinstance(hx, tuple | list) and len(hx) == 2):
                raise TypeError(f"{type(self).__name__}: expected hx as (h0, c0), got {type(hx).__name__}")
            h0, c0 = hx if lstm else (hx, None)
            self._check_state("h0" if lstm else "hx", h0, out, batch, batched)
            if lstm:
                self._check_state("c0", c0, self.hidden_size, batch, batched)
            if not batched:
                h0 = h0.unsqueeze(1)
                c0 = c0.unsqueeze(1) if lstm else None
            if order is not None:
                h0 = h0.index_select(1, order)
                c0 = c0.index_select(1, order) if lstm else None
        state = (h0, c0) if lstm else h0
        run = _RUN[self.mode]
        options = (self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
        if packed:
            results = run(data, batch_sizes, state, self._flat_weights, *options)
        else:
            results = run(data, state, self._flat_weights, *options, self.batch_first)
        output, last = results[0], results[1:]
        if packed:
            output = PackedSequence(output, batch_sizes, order, back)
            if back is not None:
                last = tuple(t.index_select(1, back) for t in last)
        elif not batched:
            output = output.squeeze(0 if self.batch_first else 1)
            last = tuple(t.squeeze(1) for t in last)
        return output, tuple(last) if lstm else last[0]

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size:
            text += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            text += f", num_layers={self.num_layers}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if self.batch_first:
            text += f", batch_first={self.batch_first}"
        if self.dropout:
            text += f", dropout={self.dropout}"
        if self.bidirectional:
            text += f", bidirectional={self.bidirectional}"
        return text


class RNN(RNNBase):
    """A plain recurrent network.

        h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh)

    Args:
        input_size: features of a step.
        hidden_size: features of the state.
        num_layers: how many layers; each reads the output of the one before.
        nonlinearity: "tanh" or "relu".
        bias: whether to add b_ih and b_hh.
        batch_first: whether the batch comes first in input and output.
        dropout: probability of zero between layers, in training.
        bidirectional: whether each layer also reads from the end.
        device, dtype: of the parameters.
    Shape:
        input (T, B, input_size), (B, T, input_size) with batch_first, (T, input_size), or packed;
        hx (num_layers * directions, B, hidden_size); output (T, B, directions * hidden_size).
    Raises:
        ValueError: a size that is not positive, or another nonlinearity.
    Example:
        >>> output, h_n = clew.nn.RNN(10, 20, 2)(clew.randn(5, 3, 10))
        >>> list(output.shape), list(h_n.shape)
        ([5, 3, 20], [2, 3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: expected nonlinearity 'tanh' or 'relu', got {nonlinearity!r}")
        super().__init__(
            f"RNN_{nonlinearity.upper()}",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            device,
            dtype,
        )
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """A long short-term memory network.

        i, f, o = sigmoid(W_i x + b_i + W_hi h + b_hi), ...
        g = tanh(W_g x + b_g + W_hg h + b_hg)
        c = f * c + i * g
        h = o * tanh(c)

    Args:
        input_size: features of a step.
        hidden_size: features of the state.
        num_layers: how many layers; each reads the output of the one before.
        bias: whether to add biases.
        batch_first: whether the batch comes first in input and output.
        dropout: probability of zero between layers, in training.
        bidirectional: whether each layer also reads from the end.
        proj_size: features of h after a projection; 0 for none.
        device, dtype: of the parameters.
    Shape:
        input (T, B, input_size), (B, T, input_size) with batch_first, (T, input_size), or packed;
        hx a pair (h0, c0) of (num_layers * directions, B, out) and (num_layers * directions, B, hidden_size),
        out being proj_size or hidden_size; output (T, B, directions * out).
    Raises:
        ValueError: a size that is not positive, or proj_size >= hidden_size.
    Reference:
        Hochreiter, Schmidhuber. Long short-term memory. 1997.
    Example:
        >>> output, (h_n, c_n) = clew.nn.LSTM(10, 20, 2)(clew.randn(5, 3, 10))
        >>> list(output.shape), list(c_n.shape)
        ([5, 3, 20], [2, 3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
        )


class GRU(RNNBase):
    """A network of gated recurrent units.

        r, z = sigmoid(W_r x + b_r + W_hr h + b_hr), ...
        n = tanh(W_n x + b_n + r * (W_hn h + b_hn))
        h = (1 - z) * n + z * h

    Args:
        input_size: features of a step.
        hidden_size: features of the state.
        num_layers: how many layers; each reads the output of the one before.
        bias: whether to add biases.
        batch_first: whether the batch comes first in input and output.
        dropout: probability of zero between layers, in training.
        bidirectional: whether each layer also reads from the end.
        device, dtype: of the parameters.
    Shape:
        input (T, B, input_size), (B, T, input_size) with batch_first, (T, input_size), or packed;
        hx (num_layers * directions, B, hidden_size); output (T, B, directions * hidden_size).
    Raises:
        ValueError: a size that is not positive.
    Reference:
        Cho et al. Learning Phrase Representations using RNN Encoder-Decoder. 2014. arXiv:1406.1078.
    Example:
        >>> output, h_n = clew.nn.GRU(10, 20, bidirectional=True)(clew.randn(5, 3, 10))
        >>> list(output.shape), list(h_n.shape)
        ([5, 3, 40], [2, 3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "GRU",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            device,
            dtype,
        )


class RNNCellBase(Module):
    """What RNNCell, LSTMCell and GRUCell share; see those.

    Args:
        input_size, hidden_size, bias, device, dtype: as in LSTMCell.
        num_chunks: how many gates stand in the weights.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        width = num_chunks * hidden_size
        self.weight_ih = Parameter(clew.empty(width, input_size, device=device, dtype=dtype))
        self.weight_hh = Parameter(clew.empty(width, hidden_size, device=device, dtype=dtype))
        if bias:
            self.bias_ih = Parameter(clew.empty(width, device=device, dtype=dtype))
            self.bias_hh = Parameter(clew.empty(width, device=device, dtype=dtype))
        else:
            self.register_parameter("bias_ih", None)
            self.register_parameter("bias_hh", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws all parameters anew, from U(-k, k) with k = 1 / sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def _step(
        self, mode: str, input: Tensor, h: Tensor | None, c: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        name = type(self).__name__
        if input.ndim not in (1, 2):
            raise clew.ShapeError(
                f"{name}: expected input of shape (input_size,) or (B, input_size), got {tuple(input.shape)}"
            )
        if input.shape[-1] != self.input_size:
            raise clew.ShapeError(
                f"{name}: expected {self.input_size} features (input_size), got {input.shape[-1]} "
                f"(input {tuple(input.shape)})"
            )
        want = (*input.shape[:-1], self.hidden_size)
        if h is None:
            h = clew.zeros(*want, dtype=input.dtype, device=input.device)
        if c is None and mode == "lstm":
            c = clew.zeros(*want, dtype=input.dtype, device=input.device)
        for what, state in (("h", h), ("c", c)):
            if state is not None and tuple(state.shape) != want:
                raise clew.ShapeError(f"{name}: expected {what} of shape {want}, got {tuple(state.shape)}")
        single = input.ndim == 1
        if single:
            input, h = input.unsqueeze(0), h.unsqueeze(0)
            c = None if c is None else c.unsqueeze(0)
        _, h, c, _ = _ops.rnn_layer(
            input.unsqueeze(0),
            h,
            c,
            self.weight_ih,
            self.weight_hh,
            self.bias_ih,
            self.bias_hh,
            None,
            None,
            mode,
            False,
        )
        return (h.squeeze(0), c.squeeze(0) if mode == "lstm" else c) if single else (h, c)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            text += f", nonlinearity={self.nonlinearity}"
        return text


class RNNCell(RNNCellBase):
    """One step of a plain recurrent network.

        h' = tanh(W_ih x + b_ih + W_hh h + b_hh)

    Args:
        input_size: features of the input.
        hidden_size: features of the state.
        bias: whether to add biases.
        nonlinearity: "tanh" or "relu".
        device, dtype: of the parameters.
    Shape:
        input (B, input_size) or (input_size,); state and output (B, hidden_size) or (hidden_size,).
    Raises:
        ValueError: another nonlinearity.
    Example:
        >>> list(clew.nn.RNNCell(10, 20)(clew.randn(3, 10)).shape)
        [3, 20]
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNNCell: expected nonlinearity 'tanh' or 'relu', got {nonlinearity!r}")
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step(self.nonlinearity, input, hx)[0]


class LSTMCell(RNNCellBase):
    """One step of an LSTM.

        c' = f * c + i * g,  h' = o * tanh(c')

    Args:
        input_size: features of the input.
        hidden_size: features of the state.
        bias: whether to add biases.
        device, dtype: of the parameters.
    Shape:
        input (B, input_size) or (input_size,); the states h and c, and the result (h', c'),
        (B, hidden_size) or (hidden_size,).
    Example:
        >>> h, c = clew.nn.LSTMCell(10, 20)(clew.randn(3, 10))
        >>> list(h.shape), list(c.shape)
        ([3, 20], [3, 20])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        h, c = (None, None) if hx is None else hx
        return self._step("lstm", input, h, c)


class GRUCell(RNNCellBase):
    """One step of a GRU.

        h' = (1 - z) * n + z * h

    Args:
        input_size: features of the input.
        hidden_size: features of the state.
        bias: whether to add biases.
        device, dtype: of the parameters.
    Shape:
        input (B, input_size) or (input_size,); state and output (B, hidden_size) or (hidden_size,).
    Example:
        >>> list(clew.nn.GRUCell(10, 20)(clew.randn(3, 10)).shape)
        [3, 20]
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step("gru", input, hx)[0]
