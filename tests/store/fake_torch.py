"""As much of torch as artifacts use; the real one takes 200 MB.

``weights_only`` behaves: anything but plain values and tensors is refused, not run.
"""

from __future__ import annotations

import pickle
from types import ModuleType
from typing import Any, BinaryIO


class Tensor(list[float]):
    """Numbers."""


class _WeightsOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == (__name__, "Tensor"):
            return Tensor
        raise pickle.UnpicklingError(f"Weights only load failed: {module}.{name}")


def _save(value: Any, file: BinaryIO) -> None:
    pickle.dump(value, file)


def _load(file: BinaryIO, *, weights_only: bool, map_location: str | None) -> Any:
    assert map_location == "cpu"
    return (_WeightsOnly if weights_only else pickle.Unpickler)(file).load()


def make(version: str = "2.13.0+cpu") -> ModuleType:
    """A module to stand in ``sys.modules``."""
    module = ModuleType("torch")
    cuda = ModuleType("torch.cuda")
    cuda.is_available = lambda: False  # type: ignore[attr-defined]
    vars(module).update(save=_save, load=_load, Tensor=Tensor, cuda=cuda, __version__=version)
    return module
