"""The layers by kind, one file each."""

from clew.nn.modules._parameters import ParameterDict, ParameterList
from clew.nn.modules.activation import (
    GELU,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from clew.nn.modules.attention import MultiheadAttention
from clew.nn.modules.batchnorm import BatchNorm1d, BatchNorm2d
from clew.nn.modules.container import ModuleDict, ModuleList, Sequential
from clew.nn.modules.conv import Conv2d
from clew.nn.modules.dropout import Dropout
from clew.nn.modules.flatten import Flatten
from clew.nn.modules.linear import Identity, Linear
from clew.nn.modules.loss import BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, MSELoss, NLLLoss
from clew.nn.modules.module import Module
from clew.nn.modules.normalization import LayerNorm
from clew.nn.modules.pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from clew.nn.modules.rnn import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNBase, RNNCell, RNNCellBase
from clew.nn.modules.sparse import Embedding
from clew.nn.modules.transformer import (
    Transformer,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)

__all__ = [
    "GELU",
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Flatten",
    "Identity",
    "L1Loss",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss",
    "ParameterDict",
    "ParameterList",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "MultiheadAttention",
    "GRU",
    "LSTM",
    "RNN",
    "GRUCell",
    "LSTMCell",
    "RNNBase",
    "RNNCell",
    "RNNCellBase",
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]
