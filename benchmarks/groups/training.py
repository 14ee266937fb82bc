"""Training steps of whole models."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from benchmarks.case import Case, Group, training_step
from benchmarks.models import convnets, gpt, lstm


def lenet(lib: ModuleType) -> Callable:
    model = convnets.lenet(lib)
    optimizer = lib.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    x, y = lib.randn(64, 1, 28, 28), lib.randint(0, 10, (64,))
    return training_step(lib, model, lib.nn.CrossEntropyLoss(), x, y, optimizer)


def resnet18(lib: ModuleType) -> Callable:
    model = convnets.resnet18(lib)
    optimizer = lib.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    x, y = lib.randn(32, 3, 32, 32), lib.randint(0, 10, (32,))
    return training_step(lib, model, lib.nn.CrossEntropyLoss(), x, y, optimizer)


def lstm_step(lib: ModuleType) -> Callable:
    model = lstm.language_model(lib)
    optimizer = lib.optim.SGD(model.parameters(), lr=0.1)
    x, y = lib.randint(0, 10000, (35, 20)), lib.randint(0, 10000, (700,))
    return training_step(lib, model, lib.nn.CrossEntropyLoss(), x, y, optimizer)


def gpt_step(lib: ModuleType) -> Callable:
    model = gpt.gpt(lib)
    optimizer = lib.optim.AdamW(model.parameters(), lr=3e-4)
    x, y = lib.randint(0, 65, (8, 128)), lib.randint(0, 65, (1024,))
    return training_step(lib, model, lib.nn.CrossEntropyLoss(), x, y, optimizer)


GROUP = Group(
    "training",
    [
        Case("LeNet, batch 64", lenet, memory=True),
        Case("ResNet-18 at 32 x 32, batch 32", resnet18),
        Case("LSTM, 2 layers of 200, 35 x 20, vocabulary 10000", lstm_step),
        Case("GPT, 4 layers of 128, block 128, batch 8", gpt_step, memory=True),
    ],
    mean_target=0.8,
)
