"""A writer of event files over the package tensorboardX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clew import Tensor
from clew.utils.tensorboard._graph import graph_of

__all__ = ["SummaryWriter"]


def _backend() -> Any:
    try:
        import tensorboardX
    except ImportError as error:
        raise ModuleNotFoundError(
            "SummaryWriter: expected the package tensorboardX, which writes the event files, got none "
            '(pip install tensorboardX, or pip install "clew[tensorboard]")',
            name="tensorboardX",
        ) from error
    return tensorboardX


def _plain(value: Any) -> Any:
    """Tensors as NumPy arrays, within lists and dicts too."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        if value.dtype.is_floating_point and value.dtype.itemsize == 2:
            value = value.float()
        return value.numpy()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(item) for item in value)
    return value


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value


class SummaryWriter:
    """Writes scalars, histograms, images, graphs, texts, embeddings and hyperparameters for TensorBoard.

    Needs the package tensorboardX. Values may be tensors of any device, NumPy arrays or numbers.

    Args:
        log_dir: the folder; None means runs/<date and time>_<host><comment>.
        comment: end of that name.
        purge_step: forget what an earlier run wrote from this step on.
        max_queue: events that wait before they are written.
        flush_secs: seconds between writes.
        filename_suffix: end of the file's name.
    Raises:
        ModuleNotFoundError: tensorboardX is not installed; the message names it.
    """

    def __init__(
        self,
        log_dir: Any = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:
        self._writer = _backend().SummaryWriter(
            logdir=None if log_dir is None else str(log_dir),
            comment=comment,
            purge_step=purge_step,
            max_queue=max_queue,
            flush_secs=flush_secs,
            filename_suffix=filename_suffix,
        )
        self.log_dir = self._writer.logdir

    def get_logdir(self) -> str:
        """The folder."""
        return self.log_dir

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """Adds a point to the curve `tag`."""
        self._writer.add_scalar(tag, _number(scalar_value), global_step, walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Adds a point to each of several curves of one chart."""
        values = {key: _number(value) for key, value in tag_scalar_dict.items()}
        self._writer.add_scalars(main_tag, values, global_step, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: str = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """Adds the distribution of `values`."""
        self._writer.add_histogram(tag, _plain(values), global_step, bins, walltime, max_bins)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """Adds an image: floating values in [0, 1], or uint8; `dataformats` names the dimensions."""
        self._writer.add_image(tag, _plain(img_tensor), global_step, walltime, dataformats)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Adds several images."""
        self._writer.add_images(tag, _plain(img_tensor), global_step, walltime, dataformats)

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: int | None = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """Adds a figure of matplotlib."""
        self._writer.add_figure(tag, figure, global_step, close, walltime)

    def add_text(
        self, tag: str, text_string: str, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """Adds a text, in Markdown."""
        self._writer.add_text(tag, text_string, global_step, walltime)

    def add_graph(
        self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True
    ) -> None:
        """Adds the graph of a model: runs it once and follows the tape.

        Args:
            model: a module.
            input_to_model: a tensor, or a tuple of arguments.
            verbose: print the graph.
            use_strict_trace: accepted, without effect.
        Raises:
            ValueError: no input, or a result without history.
        """
        from tensorboardX.proto.event_pb2 import Event

        graph = graph_of(model, input_to_model)
        if verbose:
            print(graph)
        self._writer._get_file_writer().add_event(Event(graph_def=graph.SerializeToString()))

    def add_embedding(
        self,
        mat: Any,
        metadata: Any = None,
        label_img: Any = None,
        global_step: int | None = None,
        tag: str = "default",
        metadata_header: Any = None,
    ) -> None:
        """Adds points with labels for the projector: `mat` of shape (N, D), `metadata` N labels."""
        self._writer.add_embedding(
            _plain(mat), metadata, _plain(label_img), global_step, tag, metadata_header
        )

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: int | None = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Adds precision over recall of binary `labels` and probabilities `predictions`."""
        self._writer.add_pr_curve(
            tag,
            _plain(labels),
            _plain(predictions),
            global_step,
            num_thresholds,
            _plain(weights),
            walltime,
        )

    def add_hparams(
        self,
        hparam_dict: Mapping[str, Any],
        metric_dict: Mapping[str, Any],
        hparam_domain_discrete: Any = None,
        run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """Adds hyperparameters and the metrics they led to."""
        hparams = {key: _number(value) for key, value in hparam_dict.items()}
        metrics = {key: _number(value) for key, value in metric_dict.items()}
        self._writer.add_hparams(hparams, metrics, name=run_name, global_step=global_step)

    def flush(self) -> None:
        """Writes what waits."""
        self._writer.flush()

    def close(self) -> None:
        """Writes what waits and closes the files."""
        self._writer.close()

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        from clew._missing import missing

        raise missing("utils.tensorboard.SummaryWriter", name, type(self).__name__)
