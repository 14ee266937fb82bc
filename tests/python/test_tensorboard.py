"""Event files: written by SummaryWriter, read back by TensorBoard's own reader."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clew
from clew import nn

pytest.importorskip("tensorboardX")


def read(folder: Path) -> Any:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0, "images": 0})
    reader.Reload()
    return reader


def test_another_reader_finds_everything(tmp_path: Path) -> None:
    writer = clew.utils.tensorboard.SummaryWriter(log_dir=tmp_path)
    for step in range(5):
        writer.add_scalar("loss", clew.tensor(1.0 / (step + 1)), step)
        writer.add_scalar("rate", 0.5**step, step)
    writer.add_scalars("both", {"train": clew.tensor(1.0), "test": 2.0}, 7)
    writer.add_histogram("weights", clew.linspace(-1, 1, 101), 0)
    writer.add_histogram("half", clew.ones(4, dtype=clew.bfloat16), 0)
    writer.add_image("picture", clew.rand(3, 8, 10), 0)
    writer.add_image("gray", clew.rand(8, 10), 0, dataformats="HW")
    writer.add_images("pictures", clew.rand(2, 3, 8, 8), 0)
    writer.add_text("note", "**words**", 0)
    writer.add_pr_curve("curve", clew.tensor([0, 1, 1]), clew.tensor([0.1, 0.6, 0.9]), 0)
    writer.add_hparams({"lr": 0.1, "batch": 4}, {"accuracy": clew.tensor(0.9)}, run_name="run")
    writer.add_embedding(clew.rand(4, 3), metadata=["a", "b", "c", "d"], tag="points")
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    writer.add_graph(model, clew.zeros(1, 3))
    writer.flush()
    writer.close()
    assert writer.get_logdir() == str(tmp_path)

    reader = read(tmp_path)
    tags = reader.Tags()
    assert [(e.step, round(e.value, 6)) for e in reader.Scalars("loss")] == [
        (step, round(1.0 / (step + 1), 6)) for step in range(5)
    ]
    assert {"loss", "rate"} <= set(tags["scalars"])
    histogram = reader.Histograms("weights")[0].histogram_value
    assert histogram.num == 101 and histogram.min == -1 and histogram.max == 1
    assert {"weights", "half"} <= set(tags["histograms"])
    image = reader.Images("picture")[0]
    assert (image.width, image.height) == (10, 8)
    assert {"gray", "picture"} <= set(tags["images"])
    assert "note/text_summary" in tags["tensors"]
    assert tags["graph"]
    nodes = {n.name: n for n in reader.Graph().node}
    assert {"input/0", "parameters/0.weight", "parameters/2.bias", "output/0"} <= set(nodes)
    for node in nodes.values():
        assert set(node.input) <= set(nodes)
    assert reader_of_run(tmp_path, "both/train").Scalars("both")[0].value == 1.0
    assert reader_of_run(tmp_path, "both/test").Scalars("both")[0].step == 7
    points = next(tmp_path.rglob("tensors.tsv"))
    assert np.loadtxt(points, delimiter="\t").shape == (4, 3)


def reader_of_run(folder: Path, name: str) -> Any:
    found = [path for path in folder.rglob("events.*") if name in str(path.parent)]
    assert found, list(folder.rglob("*"))
    return read(found[0].parent)


def test_graph_needs_an_input_and_a_history(tmp_path: Path) -> None:
    with clew.utils.tensorboard.SummaryWriter(tmp_path) as writer:
        with pytest.raises(ValueError, match="expected an input"):
            writer.add_graph(nn.Linear(1, 1))
        with pytest.raises(ValueError, match="with history"):
            writer.add_graph(nn.Identity(), clew.ones(2, dtype=clew.int64))
        with pytest.raises(NotImplementedError, match="add_video"):
            writer.add_video("film", clew.zeros(1))


def test_without_the_package_the_error_names_it() -> None:
    code = (
        "import sys; sys.modules['tensorboardX'] = None\n"
        "from clew.utils.tensorboard import SummaryWriter\n"
        "try:\n    SummaryWriter('x')\nexcept ModuleNotFoundError as error:\n    print(error)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "pip install tensorboardX" in result.stdout, result.stderr
