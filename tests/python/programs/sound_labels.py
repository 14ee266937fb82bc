"""A convolution over time reads labels off a signal whose places are not told: the CTC loss."""

import torch
import torch.nn as nn

torch.manual_seed(1)
steps, channels, classes = 14, 6, 6  # class 0 stands for no label
shapes = torch.eye(channels)[: classes - 1]


def batch(count):
    signals, labels = 0.1 * torch.randn(count, channels, steps), []
    for i in range(count):
        said = torch.randint(1, classes, (int(torch.randint(2, 4, (1,))),))
        start = int(torch.randint(0, 3, (1,)))
        for k, label in enumerate(said):
            at = start + 4 * k
            signals[i, :, at : at + 3] += shapes[label - 1].unsqueeze(1)
        labels.append(said)
    return signals, labels


def read(log_probs):
    """The best class of each step, without repetitions and blanks."""
    best = torch.unique_consecutive(log_probs.argmax(-1))
    return best[best != 0].tolist()


model = nn.Sequential(
    nn.Conv1d(channels, 32, 5, padding=2),
    nn.ReLU(),
    nn.Conv1d(32, 32, 3, padding=1),
    nn.ReLU(),
    nn.Conv1d(32, classes, 1),
)
criterion = nn.CTCLoss(blank=0, zero_infinity=True)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for _ in range(120):
    signals, labels = batch(16)
    log_probs = model(signals).permute(2, 0, 1).log_softmax(2)  # (T, N, C)
    lengths = torch.tensor([len(said) for said in labels])
    loss = criterion(log_probs, torch.cat(labels), torch.full((16,), steps), lengths)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()

model.eval()
with torch.no_grad():
    signals, labels = batch(100)
    log_probs = model(signals).permute(0, 2, 1).log_softmax(2)
right = sum(read(row) == said.tolist() for row, said in zip(log_probs, labels))
print(f"loss {loss.item():.3f}, {right} of 100 signals read right")
assert right >= 80, right
