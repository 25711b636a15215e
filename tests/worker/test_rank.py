"""Which of the processes of one job this is."""

from __future__ import annotations

import pytest

from mlxp_nb.worker.rank import own_rank, restarts


@pytest.mark.parametrize(
    ("environ", "rank"),
    [
        pytest.param({}, 0, id="alone"),
        pytest.param({"SLURM_PROCID": "3", "SLURM_NTASKS": "4"}, 3, id="srun"),
        pytest.param({"RANK": "5", "WORLD_SIZE": "8"}, 5, id="torchrun"),
        pytest.param(
            {"RANK": "5", "WORLD_SIZE": "8", "SLURM_PROCID": "1", "SLURM_NTASKS": "2"},
            5,
            id="torchrun-below-srun",
        ),
        pytest.param({"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4"}, 2, id="mpirun"),
        pytest.param({"RANK": "7"}, 0, id="a-variable-of-somebody-else"),
        pytest.param({"RANK": "x", "WORLD_SIZE": "8"}, 0, id="no-number"),
        pytest.param({"RANK": "-1", "WORLD_SIZE": "8"}, 0, id="negative"),
    ],
)
def test_the_innermost_launcher_says_the_rank(environ: dict[str, str], rank: int) -> None:
    assert own_rank(environ) == rank


@pytest.mark.parametrize(("text", "count"), [("", 0), ("0", 0), ("2", 2), ("x", 0)])
def test_slurm_says_how_often_it_started_a_job_again(text: str, count: int) -> None:
    assert restarts({"SLURM_RESTART_COUNT": text}) == count
    assert restarts({}) == 0
