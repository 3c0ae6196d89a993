"""Generates the standalone parser when the wheel is built, so that no run pays for building it."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class GrammarHook(BuildHookInterface[Any]):
    """Runs ``campaign_grammar/generate.py``, in editable installs too."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write ``_generated.py`` beside the grammar."""
        package = Path(self.root, "grammar", "campaign_grammar")
        if self.target_name == "wheel" and (package / "generate.py").exists():
            runpy.run_path(str(package / "generate.py"), run_name="__main__")
