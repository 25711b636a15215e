"""Arrays and weights: numpy, safetensors, torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO

from mlxp_nb.errors import ArtifactError
from mlxp_nb.store.artifacts.libraries import need

# weights_only of older ones can be made to execute code: CVE-2025-32434, CVE-2026-24747.
TORCH_SAFE = "2.10"


def _plain_array(value: Any, name: str) -> Any:
    """A numpy array that can be stored without a pickle."""
    array = need("numpy", "numpy").asarray(value)
    if array.dtype.hasobject:
        raise ArtifactError(
            f"array {name!r} holds Python objects, which only a pickle can store",
            'save it as "pickle", or as an array of numbers or strings',
        )
    return array


def save_numpy(value: Any, file: BinaryIO) -> None:
    """One array, or a mapping of arrays by name (MLXP's form)."""
    if isinstance(value, Mapping):
        save_npz(value, file)
    else:
        need("numpy", "numpy").save(file, _plain_array(value, "it"), allow_pickle=False)


def save_npz(value: Any, file: BinaryIO) -> None:
    """A mapping of arrays by name."""
    if not isinstance(value, Mapping):
        raise ArtifactError(
            f"npz stores arrays by name, and was given {type(value).__name__}",
            'log_artifacts({"weights": array}, …, "npz"); "numpy" takes a single array',
        )
    numpy = need("numpy", "npz")
    numpy.savez(file, **{str(name): _plain_array(item, str(name)) for name, item in value.items()})


def load_numpy(file: BinaryIO) -> Any:
    """The array, or a dict of arrays by name; never a pickle."""
    found = need("numpy", "numpy").load(file, allow_pickle=False)
    if not hasattr(found, "files"):
        return found
    with found:
        return {name: found[name] for name in found.files}


def save_safetensors(value: Any, file: BinaryIO) -> None:
    """A mapping of arrays, numpy's or torch's, by name."""
    if not isinstance(value, Mapping):
        raise ArtifactError(
            f"safetensors stores tensors by name, and was given {type(value).__name__}",
            "give a dict of arrays, or model.state_dict()",
        )
    tensors = dict(value)
    if any(type(item).__module__.partition(".")[0] == "torch" for item in tensors.values()):
        tensors = {name: item.detach().contiguous() for name, item in tensors.items()}
        file.write(need("safetensors.torch", "safetensors").save(tensors))
        return
    numpy = need("numpy", "safetensors")
    plain = {name: numpy.ascontiguousarray(_plain_array(a, name)) for name, a in tensors.items()}
    file.write(need("safetensors.numpy", "safetensors").save(plain))


def load_safetensors(file: BinaryIO) -> Any:
    """A dict of numpy arrays by name."""
    return need("safetensors.numpy", "safetensors").load(file.read())


def save_torch(value: Any, file: BinaryIO) -> None:
    """What ``torch.save`` takes; a state dict is what anybody can load."""
    need("torch", "torch").save(value, file)


def load_torch(file: BinaryIO) -> Any:
    """Tensors and plain values only."""
    torch = need("torch", "torch", at_least=TORCH_SAFE)
    return torch.load(file, weights_only=True, map_location=_device(torch))


def load_any_torch(file: BinaryIO) -> Any:
    """Any object. Called for what this user signed or says to trust, see ``loading``."""
    torch = need("torch", "torch")
    return torch.load(file, weights_only=False, map_location=_device(torch))


def _device(torch: Any) -> str | None:
    """The processor, for tensors of a graphics card that is not here."""
    return None if torch.cuda.is_available() else "cpu"
