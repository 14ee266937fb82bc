"""Attention over the edges of a graph finds which group each node belongs to."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(3)
nodes, groups = 60, 3
labels = torch.arange(nodes) % groups
same = labels.unsqueeze(0) == labels.unsqueeze(1)
chance = torch.where(same, 0.3, 0.03)
edges = torch.bernoulli(chance).fill_diagonal_(1.0).nonzero().t()  # each node also sees itself
features = torch.cat(
    [F.one_hot(labels, groups) + 1.2 * torch.randn(nodes, groups), torch.randn(nodes, 5)], dim=1
)


class EdgeAttention(nn.Module):
    def __init__(self, inputs, outputs, heads=2):
        super().__init__()
        self.heads, self.outputs = heads, outputs
        self.project = nn.Linear(inputs, heads * outputs, bias=False)
        self.source = nn.Parameter(0.1 * torch.randn(heads, outputs))
        self.target = nn.Parameter(0.1 * torch.randn(heads, outputs))

    def forward(self, x, edges):
        source, target = edges
        h = self.project(x).view(-1, self.heads, self.outputs)
        score = torch.einsum("nhd,hd->nh", h, self.source)[source] + (h * self.target).sum(-1)[target]
        score = F.leaky_relu(score, 0.2)
        place = target.unsqueeze(-1).expand_as(score)
        floor = torch.full((x.size(0), self.heads), float("-inf"))
        top = floor.scatter_reduce(0, place, score.detach(), reduce="amax", include_self=False)
        weight = (score - top[target]).exp()
        total = torch.zeros_like(top).index_add(0, target, weight)
        weight = weight / total[target]
        out = torch.zeros_like(h).index_add_(0, target, h[source] * weight.unsqueeze(-1))
        return out.mean(1), weight


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = EdgeAttention(features.size(1), 16)
        self.second = EdgeAttention(16, groups)

    def forward(self, x, edges):
        h, _ = self.first(x, edges)
        out, weight = self.second(F.elu(h), edges)
        return out, weight


order = torch.randperm(nodes)
known = torch.zeros(nodes, dtype=torch.bool).index_fill_(0, order[:30], True)
model = Network()
optimizer = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=5e-4)
for _ in range(80):
    model.train()
    optimizer.zero_grad()
    scores, weight = model(features, edges)
    loss = F.cross_entropy(scores[known], labels[known])
    loss.backward()
    optimizer.step()
model.eval()
with torch.no_grad():
    scores, weight = model(features, edges)
sums = torch.zeros(nodes).scatter_reduce_(0, edges[1], weight[:, 0], "sum")
assert torch.allclose(sums, torch.ones(nodes), atol=1e-5)
accuracy = (scores.argmax(1) == labels)[~known].float().mean().item()
print(f"loss {loss.item():.3f}, accuracy of the others {accuracy:.2f}")
assert accuracy > 0.8, accuracy
