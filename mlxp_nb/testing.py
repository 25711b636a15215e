"""For tests of your own: the contract that every type of artifact keeps.

A type registered by a project is tested as ours are::

    from mlxp_nb.testing import ArtifactContract

    class TestNetcdf(ArtifactContract):
        kind = "netcdf"

        def sample(self, folder):
            return make_dataset()

        def unfit(self, folder):
            return object()

        def same(self, saved, loaded):
            return saved.identical(loaded)
"""

from __future__ import annotations

import contextlib
import json
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mlxp_nb.core.run import RunPaths
from mlxp_nb.errors import ArtifactError, StoreError, UntrustedArtifactError
from mlxp_nb.store import artifacts
from mlxp_nb.store.artifacts import Entry, trust

if TYPE_CHECKING:
    import pytest

__all__ = ["ArtifactContract", "another_user", "full_disk"]

_FILE_MAX = 16


def another_user(monkeypatch: pytest.MonkeyPatch, config_dir: Path) -> None:
    """Go on as somebody with another key, who has not written what is there."""
    monkeypatch.setenv(trust.CONFIG_DIR, str(config_dir))
    monkeypatch.setattr(trust, "_WRITTEN_HERE", set())


@contextlib.contextmanager
def full_disk(size_bytes: int = _FILE_MAX) -> Iterator[None]:
    """Let no file of this process grow beyond a size; the system refuses it as a quota does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class ArtifactContract:
    """What every type of artifact does; a class that inherits it gives :attr:`kind` and samples.

    Attributes
    ----------
    kind : str
        The word given to ``log_artifacts``.
    """

    kind: ClassVar[str]

    def sample(self, folder: Path) -> Any:
        """An object of this type that takes more than 16 bytes; ``folder`` is empty and its own."""
        raise NotImplementedError

    def unfit(self, folder: Path) -> Any:
        """An object that this type cannot save."""
        raise NotImplementedError

    def same(self, saved: Any, loaded: Any) -> bool:
        """Whether what was loaded is what was saved."""
        return bool(saved == loaded)

    def _value(self, tmp_path: Path) -> Any:
        folder = tmp_path / "sample"
        folder.mkdir(exist_ok=True)
        return self.sample(folder)

    def _saved(self, tmp_path: Path, run_id: int = 1) -> tuple[RunPaths, Any, Entry]:
        """A run with the sample saved in it."""
        run = RunPaths(tmp_path / "logs" / str(run_id))
        run.root.mkdir(parents=True)
        value = self._value(tmp_path)
        return run, value, artifacts.save(run, value, "deep/thing.x", self.kind)

    def test_what_was_saved_is_loaded(self, tmp_path: Path) -> None:
        run, value, _ = self._saved(tmp_path)
        entry = artifacts.find(run, "deep/thing.x", None)
        assert entry.path == run.artifacts / self.kind / "deep" / "thing.x"
        assert self.same(value, artifacts.load(entry))

    def test_the_manifest_has_its_size_and_hash_and_nothing_is_left_aside(
        self, tmp_path: Path
    ) -> None:
        run, _, entry = self._saved(tmp_path)
        noted = json.loads(run.manifest.read_text(encoding="utf-8"))
        assert (noted["name"], noted["type"]) == ("deep/thing.x", self.kind)
        found = artifacts.content_of(entry)
        assert (noted["bytes"], noted["sha256"]) == (found.size, found.sha256)
        assert not list(run.root.rglob(".tmp-*"))

    def test_saving_again_replaces_it(self, tmp_path: Path) -> None:
        run, value, _ = self._saved(tmp_path)
        entry = artifacts.save(run, value, "deep/thing.x", self.kind)
        assert artifacts.listing(run.root) == [entry]
        assert self.same(value, artifacts.load(entry))

    def test_what_cannot_be_saved_raises_and_leaves_the_older_one(self, tmp_path: Path) -> None:
        import pytest

        run, value, entry = self._saved(tmp_path)
        before = run.manifest.read_bytes()
        with pytest.raises(ArtifactError) as caught:
            artifacts.save(run, self.unfit(tmp_path), "deep/thing.x", self.kind)
        assert caught.value.hint
        assert run.manifest.read_bytes() == before
        assert self.same(value, artifacts.load(entry))
        assert not list(run.root.rglob(".tmp-*"))

    def test_a_full_disk_raises_and_leaves_the_older_one(self, tmp_path: Path) -> None:
        import pytest

        run, value, entry = self._saved(tmp_path)
        with full_disk(), pytest.raises((ArtifactError, StoreError), match="not saved") as caught:
            artifacts.save(run, value, "deep/thing.x", self.kind)
        assert caught.value.hint
        assert self.same(value, artifacts.load(entry))
        assert artifacts.listing(run.root) == [entry]
        assert not list(run.root.rglob(".tmp-*"))

    def test_equal_content_of_two_runs_takes_its_space_once(self, tmp_path: Path) -> None:
        one, two = (self._saved(tmp_path, run_id)[2] for run_id in (1, 2))
        if artifacts.content_of(one) == artifacts.content_of(two):
            assert self._inodes(one) == self._inodes(two)

    @staticmethod
    def _inodes(entry: Entry) -> set[int]:
        within = sorted(entry.path.rglob("*")) if entry.path.is_dir() else [entry.path]
        return {path.stat().st_ino for path in within if path.is_file()}

    def test_a_link_in_its_place_is_not_followed(self, tmp_path: Path) -> None:
        import pytest

        run, _, entry = self._saved(tmp_path)
        entry.path.rename(tmp_path / "elsewhere")
        entry.path.symlink_to(tmp_path / "elsewhere")
        assert artifacts.listing(run.root) == []
        with pytest.raises(ArtifactError, match="link"):
            artifacts.load(entry, trust=True)

    def test_a_stranger_loads_only_what_cannot_execute(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import pytest

        _, value, entry = self._saved(tmp_path)
        another_user(monkeypatch, tmp_path / "another")
        if artifacts.type_of(self.kind).executes:
            with pytest.raises(UntrustedArtifactError, match="can execute code") as caught:
                artifacts.load(entry)
            assert "trust=True" in caught.value.hint
            assert "mlxp-nb trust" in caught.value.hint
        else:
            assert self.same(value, artifacts.load(entry))
        assert self.same(value, artifacts.load(entry, trust=True))
