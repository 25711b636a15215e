"""Each type of artifact keeps the contract."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from matplotlib.figure import Figure
from PIL import Image

from mlxp_nb.core.run import RunPaths
from mlxp_nb.errors import ArtifactError, InvalidArtifactError
from mlxp_nb.store import artifacts
from mlxp_nb.store.artifacts import types
from mlxp_nb.testing import ArtifactContract, another_user
from tests.store import fake_torch


class TestJson(ArtifactContract):
    kind = "json"

    def sample(self, folder: Path) -> Any:
        return {"a": [1, None, "é"], "b": {"c": 1e-3, "d": float("inf")}}

    def unfit(self, folder: Path) -> Any:
        return {"a": object()}


class TestText(ArtifactContract):
    kind = "text"

    def sample(self, folder: Path) -> Any:
        return "one line, é\r\nand another\n"

    def unfit(self, folder: Path) -> Any:
        return "\ud800 is no character"


def same_arrays(saved: Any, loaded: Any) -> bool:
    return sorted(saved) == sorted(loaded) and all(
        np.array_equal(saved[name], loaded[name]) and saved[name].dtype == loaded[name].dtype
        for name in saved
    )


class TestNpz(ArtifactContract):
    kind = "npz"

    def sample(self, folder: Path) -> Any:
        return {"w": np.eye(3), "b": np.arange(3, dtype="int16"), "names": np.array(["a", "bc"])}

    def unfit(self, folder: Path) -> Any:
        return {"w": np.array([object()])}

    def same(self, saved: Any, loaded: Any) -> bool:
        return same_arrays(saved, loaded)


class TestNumpyByName(TestNpz):
    kind = "numpy"


class TestNumpy(ArtifactContract):
    kind = "numpy"

    def sample(self, folder: Path) -> Any:
        return np.arange(12.0).reshape(3, 4)

    def unfit(self, folder: Path) -> Any:
        return np.array([object()])

    def same(self, saved: Any, loaded: Any) -> bool:
        return np.array_equal(saved, loaded)


class TestSafetensors(ArtifactContract):
    kind = "safetensors"

    def sample(self, folder: Path) -> Any:
        return {"w": np.eye(3, dtype="float32"), "turned": np.arange(6.0).reshape(2, 3).T}

    def unfit(self, folder: Path) -> Any:
        return [1, 2]

    def same(self, saved: Any, loaded: Any) -> bool:
        return same_arrays(saved, loaded)


class TestTorch(ArtifactContract):
    kind = "torch"

    @pytest.fixture(autouse=True)
    def _torch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "torch", fake_torch.make())

    def sample(self, folder: Path) -> Any:
        return {"layer.weight": fake_torch.Tensor([0.5, 1.0]), "epoch": 3}

    def unfit(self, folder: Path) -> Any:
        return lambda: None

    def test_a_whole_model_is_loaded_by_who_signed_it_only(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = RunPaths(tmp_path / "1")
        entry = artifacts.save(run, {"model": Path("a")}, "model", "torch")
        assert artifacts.load(entry) == {"model": Path("a")}
        another_user(monkeypatch, tmp_path / "another")
        with pytest.raises(ArtifactError, match="Weights only load failed"):
            artifacts.load(entry)
        assert artifacts.load(entry, trust=True) == {"model": Path("a")}

    def test_weights_are_not_loaded_by_a_version_that_executes_them(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, value, entry = self._saved(tmp_path)
        monkeypatch.setitem(sys.modules, "torch", fake_torch.make("2.9.1"))
        assert artifacts.load(entry) == value
        another_user(monkeypatch, tmp_path / "another")
        with pytest.raises(ArtifactError, match=r"torch 2\.9\.1 can be made to execute") as caught:
            artifacts.load(entry)
        assert "torch>=2.10" in caught.value.hint


class TableContract(ArtifactContract):
    def sample(self, folder: Path) -> Any:
        return pd.DataFrame({"epoch": [1, 2], "loss": [0.5, float("nan")], "name": ["a", "é,\n"]})

    def unfit(self, folder: Path) -> Any:
        return 3

    def same(self, saved: Any, loaded: Any) -> bool:
        pd.testing.assert_frame_equal(saved, loaded)
        return True


class TestCsv(TableContract):
    kind = "csv"


class TestParquet(TableContract):
    kind = "parquet"


class TestParquetWithAnIndex(TableContract):
    kind = "parquet"

    def sample(self, folder: Path) -> Any:
        return super().sample(folder).set_index(["name", "epoch"])


class TestFeather(TableContract):
    kind = "feather"

    def unfit(self, folder: Path) -> Any:
        return pd.DataFrame({"a": [1]}, index=["row"])


class TestImage(ArtifactContract):
    kind = "image"

    def sample(self, folder: Path) -> Any:
        return np.arange(60, dtype="uint8").reshape(4, 5, 3)

    def unfit(self, folder: Path) -> Any:
        return np.zeros((2, 2, 2))

    def same(self, saved: Any, loaded: Any) -> bool:
        return np.array_equal(np.round(loaded * 255), saved)


class TestPlotly(ArtifactContract):
    kind = "plotly"

    def sample(self, folder: Path) -> Any:
        return go.Figure(go.Scatter(x=[1, 2], y=np.array([0.5, 0.25])))

    def unfit(self, folder: Path) -> Any:
        return {"data": []}

    def same(self, saved: Any, loaded: Any) -> bool:
        return isinstance(loaded, go.Figure) and json.loads(saved.to_json()) == json.loads(
            loaded.to_json()
        )


class TestJoblib(ArtifactContract):
    kind = "joblib"

    class Unfit:
        """An object that no pickler takes."""

        def __reduce__(self) -> str:
            raise TypeError("not to be saved")

    def sample(self, folder: Path) -> Any:
        return {"w": np.arange(20_000), "b": "text"}

    def unfit(self, folder: Path) -> Any:
        return self.Unfit()

    def same(self, saved: Any, loaded: Any) -> bool:
        return np.array_equal(saved["w"], loaded["w"]) and saved["b"] == loaded["b"]


class TestPickle(ArtifactContract):
    kind = "pickle"

    def sample(self, folder: Path) -> Any:
        return {"a": [1, 2], "b": Path("somewhere")}

    def unfit(self, folder: Path) -> Any:
        return (item for item in range(3))


class TestFile(ArtifactContract):
    kind = "file"

    def sample(self, folder: Path) -> Any:
        (folder / "model.onnx").write_bytes(bytes(range(256)))
        return folder / "model.onnx"

    def unfit(self, folder: Path) -> Any:
        return folder

    def same(self, saved: Any, loaded: Any) -> bool:
        return bool(saved.read_bytes() == loaded.read_bytes())


class TestDirectory(ArtifactContract):
    kind = "directory"

    def sample(self, folder: Path) -> Any:
        (folder / "deep" / "er").mkdir(parents=True, exist_ok=True)
        (folder / "empty").mkdir(exist_ok=True)
        (folder / ".hidden").write_text("seventeen letters")
        (folder / "deep" / "er" / "x").write_text("another seventeen")
        if not (folder / "linked").is_symlink():
            (folder / "linked").symlink_to(folder / "deep" / "er" / "x")
        return folder

    def unfit(self, folder: Path) -> Any:
        (folder / "unfit").mkdir()
        (folder / "unfit" / "loop").symlink_to(folder)
        return folder / "unfit"

    def same(self, saved: Any, loaded: Any) -> bool:
        return self._tree(saved) == self._tree(loaded)

    @staticmethod
    def _tree(top: Path) -> dict[str, str]:
        return {
            str(path.relative_to(top)): path.read_text() if path.is_file() else ""
            for path in top.rglob("*")
        }


def _save_angle(value: Any, path: str) -> None:
    if not isinstance(value, str):
        raise TypeError("an angle is text")
    Path(path).write_text(f"<{value}>")


def _load_angle(path: str) -> str:
    return Path(path).read_text()[1:-1]


@pytest.fixture
def _registered() -> Iterator[None]:
    artifacts.register("angle", _save_angle, _load_angle)
    artifacts.register("plain angle", _save_angle, _load_angle, executes=False)
    yield
    del types.ARTIFACTS["angle"], types.ARTIFACTS["plain angle"]


@pytest.mark.usefixtures("_registered")
class TestRegistered(ArtifactContract):
    kind = "angle"

    def sample(self, folder: Path) -> Any:
        return "some text of some length"

    def unfit(self, folder: Path) -> Any:
        return 3


class TestRegisteredPlain(TestRegistered):
    kind = "plain angle"


def test_every_built_in_type_keeps_the_contract() -> None:
    classes = [value for value in globals().values() if isinstance(value, type)]
    kinds = {c.kind for c in classes if issubclass(c, ArtifactContract) and hasattr(c, "kind")}
    assert kinds >= types.BUILT_IN


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return RunPaths(tmp_path / "logs" / "1")


def figure() -> Figure:
    made = Figure(figsize=(1, 1))
    made.add_subplot().plot([0, 1])
    return made


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        pytest.param(figure(), None, id="figure"),
        pytest.param(Image.new("RGB", (5, 4), "red"), (4, 5, 3), id="pil"),
        pytest.param(Image.new("RGBA", (5, 4)), (4, 5, 4), id="pil-with-alpha"),
        pytest.param(np.zeros((4, 5)), (4, 5), id="gray"),
        pytest.param(np.ones((4, 5, 1), bool), (4, 5), id="mask"),
        pytest.param(np.full((4, 5, 3), 0.5, "float32"), (4, 5, 3), id="numbers-to-1"),
    ],
)
def test_a_figure_a_picture_and_an_array_are_images(
    run: RunPaths, value: Any, shape: tuple[int, ...] | None
) -> None:
    pixels = artifacts.load(artifacts.save(run, value, "x", "image"))
    assert pixels.ndim == 3 if shape is None else pixels.shape == shape


def test_pixels_come_back_between_0_and_1(run: RunPaths) -> None:
    loaded = artifacts.load(artifacts.save(run, np.array([[0.0, 1.0], [0.2, 0.6]]), "x", "image"))
    assert loaded == pytest.approx(np.array([[0.0, 1.0], [0.2, 0.6]]))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(np.array([[0.0, 1.5]]), id="beyond-1"),
        pytest.param(np.array([[-0.1, 0.5]]), id="below-0"),
        pytest.param(np.array([[float("nan")]]), id="nan"),
        pytest.param(np.array([[300]]), id="wide-integers"),
        pytest.param(np.zeros(3), id="a-line"),
    ],
)
def test_an_array_that_is_no_picture_is_refused(run: RunPaths, value: Any) -> None:
    with pytest.raises(ArtifactError):
        artifacts.save(run, value, "x", "image")


def test_an_index_that_says_something_becomes_columns_of_a_csv(run: RunPaths) -> None:
    table = pd.DataFrame({"loss": [0.5, 0.25]}, index=pd.Index([3, 5], name="epoch"))
    loaded = artifacts.load(artifacts.save(run, table, "x.csv", "csv"))
    assert loaded.to_dict("list") == {"epoch": [3, 5], "loss": [0.5, 0.25]}


def test_a_csv_is_plain_text(run: RunPaths) -> None:
    entry = artifacts.save(run, {"a": [1, 2], "b": ["x", "y"]}, "x.csv", "csv")
    assert entry.path.read_bytes() == b"a,b\n1,x\n2,y\n"


def test_a_pickle_of_mlxp_s_form_is_read(run: RunPaths) -> None:
    import dill

    path = run.artifacts / "pickle" / "old"
    path.parent.mkdir(parents=True)
    path.write_bytes(dill.dumps({"f": np.arange(3)}))
    entry = artifacts.find(run, "old", None)
    assert artifacts.load(entry, trust=True)["f"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("module", "kind", "value", "install"),
    [
        pytest.param("torch", "torch", {}, 'pip install "torch"', id="torch"),
        pytest.param("pyarrow", "parquet", {"a": [1]}, '"pyarrow>=14.0.1"', id="parquet"),
        pytest.param("safetensors.numpy", "safetensors", {}, '"safetensors"', id="safetensors"),
        pytest.param("PIL.Image", "image", np.zeros((2, 2)), '"pillow"', id="image"),
        pytest.param("joblib", "joblib", 1, '"joblib"', id="joblib"),
    ],
)
def test_a_missing_library_is_named_and_nothing_is_written(
    run: RunPaths,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    kind: str,
    value: Any,
    install: str,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ArtifactError, match="not installed; nothing was written") as caught:
        artifacts.save(run, value, "x", kind)
    assert install in caught.value.hint
    assert artifacts.listing(run.root) == []
    assert [path.name for path in run.artifacts.iterdir()] == []


def test_a_built_in_type_cannot_be_registered_over() -> None:
    with pytest.raises(InvalidArtifactError, match="built-in") as caught:
        artifacts.register("json", _save_angle, _load_angle)
    assert 'register_artifact_type("my_json"' in caught.value.hint
