"""Photos as the command line edits them: what a user would get, and nothing nearer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def edited(source: Path, destination: Path, *settings: str) -> list[dict[str, Any]]:
    """The photos in the summary of `sunroom edit` with the recipe `listing` and settings such as "light.strength=0"."""
    command = [str(Path(sys.executable).with_name("sunroom")), "edit", str(source), str(destination)]
    command += ["--recipe", "listing", *(word for setting in settings for word in ("--set", setting))]
    # Photos that it refuses make it leave with a code of its own.
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return json.loads((destination / "summary.json").read_text(encoding="utf-8"))["photos"]
