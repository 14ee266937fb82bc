"""Two processes train one model at once, in memory that they share."""

import torch
import torch.multiprocessing as mp
import torch.nn as nn
import torch.nn.functional as F


def target(x):
    return x @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]]) + 0.25


def train(rank, model, counts):
    torch.manual_seed(rank)
    torch.set_num_threads(1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(200):
        x = torch.randn(16, 4)
        optimizer.zero_grad()
        F.mse_loss(model(x), target(x)).backward()
        optimizer.step()
        counts[rank] += 1


if __name__ == "__main__":
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    model.share_memory()
    counts = torch.zeros(2).share_memory_()
    assert model.weight.is_shared() and counts.is_shared()
    mp.spawn(train, args=(model, counts), nprocs=2, join=True)
    x = torch.randn(64, 4)
    with torch.no_grad():
        loss = F.mse_loss(model(x), target(x)).item()
    print(f"steps {counts.tolist()}, loss {loss:.6f}")
    assert counts.tolist() == [200.0, 200.0] and loss < 1e-3
