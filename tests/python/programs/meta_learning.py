"""Learns a start from which one step fits a new sine wave; then takes gradients sample by sample."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.func import functional_call, grad, vmap

torch.manual_seed(5)
net = nn.Sequential(nn.Linear(1, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)


def wave():
    amplitude, phase = 1 + 2 * torch.rand(1), math.pi * torch.rand(1)

    def draw(count):
        x = 10 * torch.rand(count, 1) - 5
        return x, amplitude * torch.sin(x + phase)

    return draw


def adapted(draw, rate=0.05):
    """Loss on new points before and after a step on ten others, on the tape."""
    parameters = dict(net.named_parameters())
    x, y = draw(10)
    loss = F.mse_loss(functional_call(net, parameters, (x,)), y)
    grads = torch.autograd.grad(loss, tuple(parameters.values()), create_graph=True)
    moved = {name: p - rate * g for (name, p), g in zip(parameters.items(), grads)}
    x, y = draw(10)
    before = F.mse_loss(functional_call(net, parameters, (x,)), y)
    return before, F.mse_loss(functional_call(net, moved, (x,)), y)


for _ in range(250):
    optimizer.zero_grad()
    loss = sum(adapted(wave())[1] for _ in range(4)) / 4
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 10.0)
    optimizer.step()

befores, afters = zip(*(adapted(wave()) for _ in range(100)))
before, after = torch.stack(befores).mean().item(), torch.stack(afters).mean().item()
print(f"loss on new waves: {before:.2f} before the step, {after:.2f} after it")
assert after < 0.75 * before, (before, after)


def loss_of(parameters, x, y):
    return F.mse_loss(functional_call(net, parameters, (x.unsqueeze(0),)), y.unsqueeze(0))


parameters = {name: p.detach() for name, p in net.named_parameters()}
x, y = wave()(8)
each = vmap(grad(loss_of), in_dims=(None, 0, 0))(parameters, x, y)
whole = grad(lambda p: F.mse_loss(functional_call(net, p, (x,)), y))(parameters)
for name, value in whole.items():
    assert each[name].shape == (8, *value.shape)
    assert torch.allclose(each[name].mean(0), value, atol=1e-4), name
print("the mean of the samples' gradients is the batch's")
