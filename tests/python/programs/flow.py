"""A normalizing flow bends a normal distribution into a half ring; its steps are kept on the CPU by hooks."""

import math

import torch
import torch.nn as nn
from torch.autograd.graph import save_on_cpu
from torch.distributions import MultivariateNormal
from torch.nn.utils import parametrizations, parametrize

torch.manual_seed(2)


class Coupling(nn.Module):
    """Scales and moves one coordinate by functions of the other."""

    def __init__(self, first):
        super().__init__()
        self.first = first
        inner = nn.Linear(1, 32)
        self.rule = nn.Sequential(parametrizations.weight_norm(inner), nn.SiLU(), nn.Linear(32, 2))

    def parts(self, x):
        a, b = x.split(1, dim=1)
        return (a, b) if self.first else (b, a)

    def joined(self, a, b):
        return torch.cat([a, b] if self.first else [b, a], dim=1)

    def forward(self, x):
        a, b = self.parts(x)
        scale, shift = self.rule(a).chunk(2, dim=1)
        scale = 2 * torch.tanh(scale)
        return self.joined(a, (b - shift) * torch.exp(-scale)), -scale.squeeze(1)

    def inverse(self, z):
        a, b = self.parts(z)
        scale, shift = self.rule(a).chunk(2, dim=1)
        return self.joined(a, b * torch.exp(2 * torch.tanh(scale)) + shift)


class Flow(nn.Module):
    def __init__(self, depth=6):
        super().__init__()
        self.steps = nn.ModuleList(Coupling(i % 2 == 0) for i in range(depth))
        self.prior = MultivariateNormal(torch.zeros(2), torch.eye(2))

    def log_prob(self, x):
        total = x.new_zeros(x.size(0))
        for step in self.steps:
            x, stretch = step(x)
            total += stretch
        return self.prior.log_prob(x) + total

    @torch.no_grad()
    def sample(self, count):
        z = self.prior.sample((count,))
        for step in reversed(self.steps):
            z = step.inverse(z)
        return z


def half_ring(count):
    angle = math.pi * torch.rand(count)
    return torch.stack([angle.cos(), angle.sin()], dim=1) + 0.1 * torch.randn(count, 2)


flow = Flow()
assert all(parametrize.is_parametrized(step.rule[0], "weight") for step in flow.steps)
optimizer = torch.optim.Adam(flow.parameters(), lr=5e-3)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 200)
for _ in range(200):
    with save_on_cpu():
        loss = -flow.log_prob(half_ring(256)).mean()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
    optimizer.step()
    scheduler.step()
with torch.no_grad():
    final = -flow.log_prob(half_ring(2000)).mean().item()
    x = half_ring(5)
    z = x
    for step in flow.steps:
        z, _ = step(z)
    for step in reversed(flow.steps):
        z = step.inverse(z)
assert torch.allclose(z, x, atol=1e-4)
drawn = flow.sample(1000)
radius = drawn.norm(dim=1)
print(f"negative log-likelihood {final:.3f}, radius of samples {radius.mean():.2f}")
assert final < 1.2 and abs(radius.mean().item() - 1) < 0.15, final
