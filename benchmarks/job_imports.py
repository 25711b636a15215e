"""What a job imports before the user's first line, beside what MLXP and Hydra import."""

from __future__ import annotations

import importlib.util

from harness import say, say_seconds

STATEMENTS = {
    "job_imports": "import mlxp_nb.worker.job",
    "baseline_import_omegaconf": "import omegaconf",
    "baseline_import_hydra": "import hydra",
    "baseline_import_numpy": "import numpy",
}
if importlib.util.find_spec("mlxp"):  # part of the test extra
    STATEMENTS["baseline_import_mlxp"] = "import mlxp"

say_seconds(STATEMENTS)
say("job_imports_target", 0.4, "s")
