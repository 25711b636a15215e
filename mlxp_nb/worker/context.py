"""What the user's function gets: its configuration, and the logger of its run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlxp_nb.core.config_dict import ConfigDict
from mlxp_nb.core.run import RunPaths
from mlxp_nb.core.status import Status
from mlxp_nb.errors import StoreError
from mlxp_nb.store import artifacts, rundir
from mlxp_nb.store.metrics import SYNC_S, MetricFile

__all__ = ["TOKEN_VARIABLE", "Context", "DefaultLogger", "Logger", "Rooted"]

CHECKPOINT = "checkpoint"
TOKEN_VARIABLE = "MLXP_NB_TOKEN"


class Logger:
    """Writes metrics, artifacts and checkpoints into the directory of a run.

    Parameters
    ----------
    paths : RunPaths
        The run; it exists.
    attempt, rank : int
        Of this process at the run; noted in its metrics.
    sync_s : float
        Seconds after which metrics are made safe from a power cut.
    check : callable, optional
        Raises when this attempt no longer holds the run; asked before a checkpoint is replaced.
    """

    def __init__(
        self,
        paths: RunPaths,
        *,
        attempt: int = 1,
        rank: int = 0,
        sync_s: float = SYNC_S,
        check: Callable[[], None] | None = None,
    ) -> None:
        self._paths = paths
        self._attempt, self._rank, self._sync_s = attempt, rank, sync_s
        self._check = check
        self._open: dict[str, MetricFile] = {}

    @property
    def log_id(self) -> int:
        """Id of the run."""
        return int(self._paths.root.name)

    @property
    def log_dir(self) -> str:
        """Directory of the run, absolute."""
        return str(self._paths.root)

    @property
    def parent_log_dir(self) -> str:
        """The log directory, absolute."""
        return str(self._paths.root.parent)

    @property
    def metrics_dir(self) -> str:
        """Folder of the metric files."""
        return str(self._paths.metrics)

    @property
    def artifacts_dir(self) -> str:
        """Folder of the artifacts."""
        return str(self._paths.artifacts)

    @property
    def metadata_dir(self) -> str:
        """Folder of the records."""
        return str(self._paths.metadata)

    def get_info(self) -> dict[str, Any]:
        """The id and the folders, as in ``info.logger``."""
        return rundir.logger_info(self._paths)

    def log_metrics(
        self, metrics_dict: Mapping[str, Any], log_name: str, step: int | None = None
    ) -> None:
        """Append one record to ``metrics/<log_name>.json``; others see it when this returns.

        Parameters
        ----------
        metrics_dict : mapping of str to scalar
            Numbers, strings, booleans, None, scalars of numpy, torch or jax, and lists or small
            arrays of them. Nested mappings are flattened with dots.
        log_name : str
            ``"train"`` makes the columns ``train.<key>``.
        step : int, optional
            Stored as the column ``step``.

        Raises
        ------
        MetricError, InvalidKeyError
            Something cannot be stored; nothing of the record was written.
        StoreError
            The disk refused it; the message says what is written.
        """
        file = self._open.get(log_name)
        if file is None:
            file = self._open[log_name] = MetricFile(
                self._paths,
                log_name,
                attempt=self._attempt,
                rank=self._rank,
                sync_s=self._sync_s,
            )
        file.append(metrics_dict, step=step)

    def log_artifacts(self, artifact: object, artifact_name: str, artifact_type: str) -> None:
        """Save an object as ``artifacts/<artifact_type>/<artifact_name>``, whole or not at all.

        Parameters
        ----------
        artifact : object
            What to save.
        artifact_name : str
            Its file name; folders are allowed (``best/model``).
        artifact_type : str
            ``json``, ``text``, ``numpy``, ``npz``, ``csv``, ``parquet``, ``feather``, ``image``,
            ``plotly``, ``safetensors``, ``torch``, ``joblib``, ``pickle``, ``file``,
            ``directory``, or a registered type; see docs/artifacts.md.

        Raises
        ------
        InvalidArtifactError, InvalidKeyError
            Nobody registered the type, or the name cannot be one.
        ArtifactError
            It is not an object of that type, or a library is missing; nothing was written.
        StoreError
            The disk refused it; an older one of that name still stands.
        """
        artifacts.save(self._paths, artifact, artifact_name, artifact_type, rank=self._rank)

    def load_artifacts(
        self,
        artifact_name: str,
        artifact_type: str | None = None,
        root: str | None = None,
        *,
        trust: bool = False,
    ) -> Any:
        """The object saved under that name.

        Parameters
        ----------
        artifact_name : str
            As it was logged.
        artifact_type : str, optional
            Needed only when several types share the name.
        root : str, optional
            Directory of another run.
        trust : bool
            Load also what could execute code and is not signed by this user.

        Raises
        ------
        MissingArtifactError
            There is none.
        UntrustedArtifactError
            It could execute code, and this user has not signed it.
        """
        paths = RunPaths(Path(root).absolute()) if root else self._paths
        return artifacts.load(artifacts.find(paths, artifact_name, artifact_type), trust=trust)

    def register_artifact_type(
        self,
        name: str,
        save: Callable[[Any, str], None],
        load: Callable[[str], Any],
        *,
        executes: bool = True,
    ) -> None:
        """Add a type of artifact for this process: ``save(object, path)`` and ``load(path)``.

        Parameters
        ----------
        name : str
            The word for :meth:`log_artifacts`.
        save, load : callable
            ``save`` writes one file, at the very path it is given.
        executes : bool
            Whether ``load`` could execute code that a file holds: then it loads only what this
            user has signed.
        """
        artifacts.register(name, save, load, executes=executes)

    def log_checkpoint(
        self,
        checkpoint: Any,
        log_name: str = CHECKPOINT,
        *,
        keep_last: int | None = None,
        keep_best: tuple[str, str] | None = None,
    ) -> None:
        """Save the state to resume from; the older one stands until this one is whole.

        Parameters
        ----------
        checkpoint : object
            Anything that can be pickled.
        log_name : str
            The newest is always the one of this name.
        keep_last : int, optional
            Keep the newest ``n`` as ``<log_name>.<number>`` too.
        keep_best : (str, str), optional
            ``("test.loss", "min")``: keep this one as ``<log_name>.best`` too when the value
            logged last is the lowest so far (``"max"``: the highest).

        Raises
        ------
        ArtifactError
            What to keep cannot be understood, or the metric was not logged yet; nothing was saved.
        RunError
            A newer attempt holds the run; its checkpoint stands.
        StoreError
            The disk refused it; the older one stands.
        """
        keep = artifacts.Keep.of(self._paths, keep_last, keep_best)
        self._before_checkpoint()
        entry = artifacts.save(self._paths, checkpoint, log_name, "pickle", rank=self._rank)
        keep.apply(self._paths, entry, rank=self._rank)

    def load_checkpoint(
        self, log_name: str = CHECKPOINT, root: str | None = None, *, trust: bool = False
    ) -> Any:
        """The state that :meth:`log_checkpoint` saved last under that name.

        Parameters
        ----------
        log_name : str
            As it was logged.
        root : str, optional
            Directory of another run, or the folder that holds the checkpoint (MLXP).
        trust : bool
            Load also what this user has not signed. What this run saved is signed.

        Raises
        ------
        MissingArtifactError
            No checkpoint was saved yet.
        UntrustedArtifactError
            Somebody else wrote it.
        """
        if root and (Path(root) / log_name).is_file():
            path = (Path(root) / log_name).absolute()
            return artifacts.load(artifacts.Entry("pickle", log_name, path), trust=trust)
        return self.load_artifacts(log_name, "pickle", root, trust=trust)

    def _before_checkpoint(self) -> None:
        """Hold the run still, and let no checkpoint be newer than its metrics on the disk."""
        if self._check is not None:
            self._check()
        self.sync()

    def sync(self) -> None:
        """Wait until the metrics are on the disk.

        Raises
        ------
        StoreError
            The disk did not confirm them.
        """
        for file in self._open.values():
            file.sync()

    def close(self) -> None:
        """Close the metric files and wait for the disk.

        Raises
        ------
        StoreError
            The disk did not confirm the last records of a file; all are closed.
        """
        failed: StoreError | None = None
        while self._open:
            try:
                self._open.popitem()[1].close()
            except StoreError as error:
                failed = error
        if failed is not None:
            raise failed


class DefaultLogger(Logger):
    """A logger with a new run directory of its own (MLXP's class, for use outside a run).

    Parameters
    ----------
    parent_log_dir : str
        The log directory.
    forced_log_id : int
        The id to take; negative: the next free one. A run that is there goes on when the
        environment variable ``MLXP_NB_TOKEN`` is its ``info.token``.
    log_streams_to_file : bool
        Accepted for MLXP's sake; streams are captured by the job, not by the logger.
    """

    def __init__(
        self,
        parent_log_dir: str,
        forced_log_id: int = -1,
        log_streams_to_file: bool = False,
    ) -> None:
        record = rundir.allocate(
            Path(parent_log_dir),
            {},
            {"status": Status.STARTING.value, "created": rundir.now_iso()},
            forced_id=forced_log_id if forced_log_id >= 0 else None,
            token=os.environ.get(TOKEN_VARIABLE),
        )
        super().__init__(record.paths, attempt=int(record.info["attempt"]))


class Rooted(ConfigDict):
    """A ConfigDict that answers to its own name too.

    MLXP 1.0.5 gives ``ctx.info.info.status`` where its documentation says ``ctx.info.status``;
    scripts of both kinds run.
    """

    def __init__(self, root: str, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        object.__setattr__(self, "_root", root)

    def __missing__(self, key: Any) -> Any:
        if key == object.__getattribute__(self, "_root"):
            return self
        raise KeyError(key)


@dataclass
class Context:
    """What a launched function is called with.

    Attributes
    ----------
    config : ConfigDict
        The run's configuration, resolved.
    mlxp : ConfigDict
        MLXP's settings of the project.
    info : ConfigDict
        The run's record as it stood when the run began.
    logger : Logger or None
        Writes to the run; None when ``use_logger`` is off.
    project_dir : Path or None
        The live project. The working directory is the same place inside the snapshot.
    """

    config: Any = None
    mlxp: Any = None
    info: Any = None
    logger: Logger | None = None
    project_dir: Path | None = None
