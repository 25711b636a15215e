"""What the user's function gets: its configuration, and the logger of its run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlxp_nb.core.config_dict import ConfigDict
from mlxp_nb.core.run import RunPaths
from mlxp_nb.core.status import Status
from mlxp_nb.store import artifacts, rundir
from mlxp_nb.store.metrics import MetricFile

__all__ = ["Context", "DefaultLogger", "Logger", "Rooted"]

CHECKPOINT = "checkpoint"


class Logger:
    """Writes metrics, artifacts and checkpoints into the directory of a run.

    Parameters
    ----------
    paths : RunPaths
        The run; it exists.
    """

    def __init__(self, paths: RunPaths) -> None:
        self._paths = paths
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
        """
        file = self._open.get(log_name)
        if file is None:
            file = self._open[log_name] = MetricFile(self._paths, log_name)
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
            ``pickle``, ``numpy`` (a dict of arrays, or one), ``torch``, ``image``, ``json``,
            ``text``, or a registered type.

        Raises
        ------
        InvalidArtifactError
            Nobody registered the type.
        ArtifactError
            It could not be saved.
        """
        artifacts.save(self._paths, artifact, artifact_name, artifact_type)

    def load_artifacts(
        self, artifact_name: str, artifact_type: str | None = None, root: str | None = None
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

        Raises
        ------
        MissingArtifactError
            There is none.
        """
        paths = RunPaths(Path(root).absolute()) if root else self._paths
        return artifacts.load(artifacts.find(paths, artifact_name, artifact_type))

    def register_artifact_type(
        self, name: str, save: Callable[[Any, str], None], load: Callable[[str], Any]
    ) -> None:
        """Add a type of artifact: ``save(object, path)`` and ``load(path)``."""
        artifacts.register(name, save, load)

    def log_checkpoint(self, checkpoint: Any, log_name: str = CHECKPOINT) -> None:
        """Save the state to resume from; the older one stands until this one is whole."""
        self.log_artifacts(checkpoint, log_name, "pickle")

    def load_checkpoint(self, log_name: str = CHECKPOINT, root: str | None = None) -> Any:
        """The state that :meth:`log_checkpoint` saved last under that name.

        Parameters
        ----------
        log_name : str
            As it was logged.
        root : str, optional
            Directory of another run, or the folder that holds the checkpoint (MLXP).

        Raises
        ------
        MissingArtifactError
            No checkpoint was saved yet.
        """
        if root and (Path(root) / log_name).is_file():
            path = (Path(root) / log_name).absolute()
            return artifacts.load(artifacts.Entry("pickle", log_name, path))
        return self.load_artifacts(log_name, "pickle", root)

    def close(self) -> None:
        """Close the metric files and wait for the disk."""
        while self._open:
            self._open.popitem()[1].close()


class DefaultLogger(Logger):
    """A logger with a new run directory of its own (MLXP's class, for use outside a run).

    Parameters
    ----------
    parent_log_dir : str
        The log directory.
    forced_log_id : int
        The id to take; negative: the next free one.
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
        )
        super().__init__(record.paths)


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
