"""A Wasserstein GAN with a gradient penalty, and one whose critic has spectral norm, learn a mixture."""

import torch
import torch.nn as nn
from torch import autograd, optim
from torch.autograd import Variable

torch.manual_seed(4)
one = torch.tensor(1.0)
corners = torch.tensor([[2.0, 2.0], [-2.0, 2.0]])


def real(count):
    return corners[torch.randint(0, 2, (count,))] + 0.2 * torch.randn(count, 2)


def penalty(critic, x, fake):
    part = torch.rand(x.size(0), 1).expand_as(x)
    between = Variable(part * x + (1 - part) * fake, requires_grad=True)
    scores = critic(between)
    (g,) = autograd.grad(
        outputs=scores,
        inputs=between,
        grad_outputs=torch.ones(scores.size()),
        create_graph=True,
        retain_graph=True,
        only_inputs=True,
    )
    return 10 * ((g.norm(2, dim=1) - 1) ** 2).mean()


def linear(*sizes, spectral):
    layer = nn.Linear(*sizes)
    return nn.utils.spectral_norm(layer) if spectral else layer


for spectral in (False, True):
    critic = nn.Sequential(
        linear(2, 64, spectral=spectral),
        nn.LeakyReLU(0.2),
        linear(64, 64, spectral=spectral),
        nn.LeakyReLU(0.2),
        linear(64, 1, spectral=spectral),
    )
    generator = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
    critic_step = optim.Adam(critic.parameters(), lr=2e-3, betas=(0.5, 0.9))
    generator_step = optim.Adam(generator.parameters(), lr=2e-3, betas=(0.5, 0.9))
    for _step in range(500):
        for p in critic.parameters():
            p.requires_grad = True
        for _ in range(3):
            x, fake = real(64), generator(torch.randn(64, 4)).detach()
            critic.zero_grad()
            critic(x).mean().backward(-one)
            critic(fake).mean().backward(one)
            if not spectral:
                penalty(critic, x.data, fake.data).backward()
            critic_step.step()
        for p in critic.parameters():
            p.requires_grad = False
        generator.zero_grad()
        critic(generator(torch.randn(64, 4))).mean().backward(-one)
        generator_step.step()
    with torch.no_grad():
        drawn = generator(torch.randn(1000, 4))
        distance = torch.cdist(drawn, corners).min(dim=1).values.mean().item()
    name = "spectral norm" if spectral else "gradient penalty"
    print(f"{name}: mean distance to the nearest of both centres {distance:.2f}")
    assert distance < 1.0, distance
