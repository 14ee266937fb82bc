"""A ConvNet learns handwritten digits: the 8x8 images that scikit-learn ships, so nothing is downloaded.

Data, model, training loop with a progress bar, a learning-curve picture, a checkpoint that is saved,
loaded into a fresh model and evaluated. Takes about ten seconds on two cores.

    python tutorials/digits.py
"""

from __future__ import annotations

import time
from pathlib import Path

import matplotlib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import clew
from clew import nn
from clew.nn import functional as F
from clew.optim.lr_scheduler import CosineAnnealingLR
from clew.utils.data import DataLoader, TensorDataset

matplotlib.use("Agg")  # draws into files; needs no screen
import matplotlib.pyplot as plt

OUT = Path(__file__).parent / "out"
EPOCHS, BATCH = 30, 32


def load_data() -> tuple[TensorDataset, TensorDataset]:
    """1437 images to learn from and 360 to be tested on, as (N, 1, 8, 8) in [-1, 1]."""
    images, labels = load_digits(return_X_y=True)
    images = (images.reshape(-1, 1, 8, 8) / 8 - 1).astype(np.float32)
    x, x_test, y, y_test = train_test_split(images, labels, test_size=0.2, random_state=0, stratify=labels)
    return (
        TensorDataset(clew.from_numpy(x), clew.from_numpy(y)),
        TensorDataset(clew.from_numpy(x_test), clew.from_numpy(y_test)),
    )


def make_model() -> nn.Module:
    def block(c_in: int, c_out: int) -> list[nn.Module]:
        return [nn.Conv2d(c_in, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU()]

    return nn.Sequential(
        *block(1, 24),
        *block(24, 48),
        nn.MaxPool2d(2),  # (48, 4, 4)
        *block(48, 64),
        nn.MaxPool2d(2),  # (64, 2, 2)
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(256, 10),
    )


def shift(x: clew.Tensor) -> clew.Tensor:
    """Moves a batch by up to one pixel: the same digit, another picture."""
    dy, dx = (int(n) for n in clew.randint(-1, 2, (2,)))
    moved = clew.full_like(x, -1.0)
    rows, columns = slice(max(dy, 0), 8 + min(dy, 0)), slice(max(dx, 0), 8 + min(dx, 0))
    from_rows, from_columns = slice(max(-dy, 0), 8 - max(dy, 0)), slice(max(-dx, 0), 8 - max(dx, 0))
    moved[:, :, rows, columns] = x[:, :, from_rows, from_columns]
    return moved


def evaluate(model: nn.Module, data: TensorDataset) -> float:
    """Share of images whose digit the model names, in percent."""
    model.eval()
    x, y = data.tensors
    with clew.no_grad():
        right = (model(x).argmax(1) == y).sum().item()
    model.train()
    return 100 * right / len(data)


def train(model: nn.Module, data: TensorDataset, test_data: TensorDataset) -> list[tuple[float, float]]:
    """Returns (mean loss, test accuracy) of every epoch."""
    loader = DataLoader(data, batch_size=BATCH, shuffle=True)
    optimizer = clew.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = CosineAnnealingLR(optimizer, T_max=EPOCHS)
    history = []
    bar = tqdm(range(EPOCHS), unit="epoch")
    for _ in bar:
        losses = []
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(shift(x)), y, label_smoothing=0.05)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        schedule.step()
        history.append((sum(losses) / len(losses), evaluate(model, test_data)))
        bar.set_postfix(loss=f"{history[-1][0]:.3f}", accuracy=f"{history[-1][1]:.2f} %")
    return history


def draw(history: list[tuple[float, float]], path: Path) -> None:
    losses, accuracies = zip(*history, strict=True)
    figure, left = plt.subplots(figsize=(6, 3.5), layout="constrained")
    left.plot(losses, color="tab:blue")
    left.set(xlabel="epoch", ylabel="training loss", yscale="log")
    right = left.twinx()
    right.plot(accuracies, color="tab:orange")
    right.set(ylabel="test accuracy (%)", ylim=(80, 100.5))
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> float:
    clew.manual_seed(0)
    OUT.mkdir(exist_ok=True)
    data, test_data = load_data()
    model = make_model()
    print(f"{len(data)} images to learn from, {sum(p.numel() for p in model.parameters())} parameters")

    start = time.perf_counter()
    history = train(model, data, test_data)
    print(f"trained {EPOCHS} epochs in {time.perf_counter() - start:.1f} s, last loss {history[-1][0]:.4f}")

    draw(history, OUT / "digits.png")
    clew.save({"model": model.state_dict(), "epochs": EPOCHS}, OUT / "digits.safetensors")

    # The checkpoint alone is enough: a fresh model with other weights gives the same answers.
    restored = make_model()
    restored.load_state_dict(clew.load(OUT / "digits.safetensors")["model"])
    accuracy = evaluate(restored, test_data)
    assert accuracy == evaluate(model, test_data)
    print(f"learning curve: {OUT / 'digits.png'}\ncheckpoint: {OUT / 'digits.safetensors'}")
    print(f"test accuracy: {accuracy:.2f} %")
    return accuracy


if __name__ == "__main__":
    main()
