"""REINFORCE on a pole that stands on a cart."""

import math
import random
from collections import deque

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.distributions import Categorical


class CartPole:
    """A pole on a cart that is pushed left or right; an episode ends when it falls, or after 200 steps."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def reset(self):
        self.state = [self.rng.uniform(-0.05, 0.05) for _ in range(4)]
        self.steps = 0
        return self.state

    def step(self, action):
        x, v, angle, spin = self.state
        force = 10.0 if action == 1 else -10.0
        pole_mass, total_mass, half_length, gravity, dt = 0.1, 1.1, 0.5, 9.8, 0.02
        push = (force + pole_mass * half_length * spin**2 * math.sin(angle)) / total_mass
        turn = (gravity * math.sin(angle) - math.cos(angle) * push) / (
            half_length * (4.0 / 3.0 - pole_mass * math.cos(angle) ** 2 / total_mass)
        )
        speed_up = push - pole_mass * half_length * turn * math.cos(angle) / total_mass
        self.state = [x + dt * v, v + dt * speed_up, angle + dt * spin, spin + dt * turn]
        self.steps += 1
        fell = abs(self.state[0]) > 2.4 or abs(self.state[2]) > 0.2095
        return self.state, 1.0, fell or self.steps >= 200


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(4, 64)
        self.dropout = nn.Dropout(p=0.1)
        self.affine2 = nn.Linear(64, 2)
        self.saved_log_probs = []
        self.rewards = []

    def forward(self, x):
        x = F.relu(self.dropout(self.affine1(x)))
        return F.softmax(self.affine2(x), dim=1)


torch.manual_seed(543)
env = CartPole(543)
policy = Policy()
optimizer = optim.Adam(policy.parameters(), lr=1e-2)
eps = torch.finfo(torch.float32).eps


def select_action(state):
    state = torch.tensor(state, dtype=torch.float32).unsqueeze(0)
    m = Categorical(policy(state))
    action = m.sample()
    policy.saved_log_probs.append(m.log_prob(action))
    return action.item()


def finish_episode():
    R = 0
    policy_loss = []
    returns = deque()
    for r in policy.rewards[::-1]:
        R = r + 0.99 * R
        returns.appendleft(R)
    returns = torch.tensor(list(returns))
    returns = (returns - returns.mean()) / (returns.std() + eps)
    for log_prob, R in zip(policy.saved_log_probs, returns):
        policy_loss.append(-log_prob * R)
    optimizer.zero_grad()
    policy_loss = torch.cat(policy_loss).sum()
    policy_loss.backward()
    optimizer.step()
    del policy.rewards[:]
    del policy.saved_log_probs[:]


lengths = []
running_reward = 10.0
for i_episode in range(1, 401):
    state, done = env.reset(), False
    while not done:
        state, reward, done = env.step(select_action(state))
        policy.rewards.append(reward)
    lengths.append(len(policy.rewards))
    running_reward = 0.05 * lengths[-1] + 0.95 * running_reward
    finish_episode()
    if i_episode % 20 == 0:
        print(f"Episode {i_episode}\tLast length: {lengths[-1]}\tAverage length: {running_reward:.2f}")
    if running_reward > 100:
        print(f"Solved in {i_episode} episodes")
        break
assert running_reward > 100, running_reward
assert sum(lengths[:10]) / 10 < 60
