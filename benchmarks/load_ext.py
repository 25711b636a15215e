"""How long ``%load_ext mlxp_nb`` takes in a fresh kernel, beside libraries a notebook imports."""

from __future__ import annotations

from harness import say, say_seconds

SHELL = """
import IPython.core.interactiveshell as interactive
shell = interactive.InteractiveShell()
"""

say_seconds(
    {
        "load_ext": "shell.run_line_magic('load_ext', 'mlxp_nb')",
        "baseline_import_pandas": "import pandas",
        "baseline_import_ipywidgets": "import ipywidgets",
        "baseline_import_plotly": "import plotly.graph_objects",
    },
    setup=SHELL,
)
say("load_ext_target", 0.3, "s")
