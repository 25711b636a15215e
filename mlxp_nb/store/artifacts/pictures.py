"""Pictures and figures."""

from __future__ import annotations

from typing import Any, BinaryIO

from mlxp_nb.errors import ArtifactError
from mlxp_nb.store.artifacts.libraries import need


def save_image(value: Any, file: BinaryIO) -> None:
    """A matplotlib figure, a PIL image or an array, as PNG.

    Arrays are height x width (gray), or height x width x 3 or 4: whole numbers of 8 bits, or
    numbers from 0 to 1.
    """
    if hasattr(value, "savefig"):
        value.savefig(file, format="png", bbox_inches="tight")
    elif hasattr(value, "save"):
        value.save(file, format="PNG")
    else:
        image = need("PIL.Image", "image", package="pillow")
        image.fromarray(_bytes_of(value)).save(file, format="PNG")


def _bytes_of(value: Any) -> Any:
    """An array of 8-bit values."""
    numpy = need("numpy", "image")
    array = numpy.asarray(value)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise ArtifactError(
            f"an array of shape {array.shape} is not a picture",
            "give height x width, or height x width x 3 or 4",
        )
    if array.dtype == bool:
        return array.astype(numpy.uint8) * numpy.uint8(255)
    if array.dtype == numpy.uint8:
        return array
    if array.dtype.kind != "f" or not bool(((array >= 0) & (array <= 1)).all()):
        raise ArtifactError(
            f"a picture of {array.dtype} beyond 0 to 1 cannot be stored",
            "scale it to 0 … 1, or to whole numbers of type uint8",
        )
    return (array * 255).round().astype(numpy.uint8)


def load_image(file: BinaryIO) -> Any:
    """An array of numbers from 0 to 1, as matplotlib reads a PNG (MLXP's form)."""
    return need("matplotlib.image", "image", package="matplotlib").imread(file, format="png")


def save_plotly(value: Any, file: BinaryIO) -> None:
    """A plotly figure, as JSON."""
    if not hasattr(value, "to_plotly_json"):
        raise ArtifactError(
            f"{type(value).__name__} is not a plotly figure",
            'a matplotlib figure is saved as "image"',
        )
    file.write(need("plotly.io", "plotly").to_json(value, validate=False).encode("utf-8"))


def load_plotly(file: BinaryIO) -> Any:
    """The figure."""
    return need("plotly.io", "plotly").from_json(file.read().decode("utf-8"))
