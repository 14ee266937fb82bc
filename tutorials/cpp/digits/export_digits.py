"""Writes scikit-learn's handwritten digits (8x8) as IDX files: the format of the well-known MNIST files.

python export_digits.py FOLDER
"""

import struct
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits


def write_idx(path: Path, array: np.ndarray) -> None:
    """Writes uint8 values: two zero bytes, type 8, rank, the sizes (big endian), the bytes."""
    path.write_bytes(struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes())


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    digits = load_digits()
    images = (digits.images * 255 / 16).round().astype(np.uint8)
    labels = digits.target.astype(np.uint8)
    order = np.random.default_rng(0).permutation(len(labels))
    train, test = order[:1437], order[1437:]
    for name, rows in (("train", train), ("test", test)):
        write_idx(folder / f"{name}-images.idx", images[rows])
        write_idx(folder / f"{name}-labels.idx", labels[rows])
    print(f"{len(train)} digits to learn from and {len(test)} to test with, in {folder}")


if __name__ == "__main__":
    main()
