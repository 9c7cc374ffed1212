"""Head of every result file: what was run, where and when."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path


def heading(title: str, command: str) -> list[str]:
    """Markdown lines: title, date, machine, and the command that makes the file again."""
    return [
        f"# {title}",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {processor()}, {os.cpu_count()} cores, Python {platform.python_version()}. "
        f"Made by `{command}`.",
        "",
    ]


def processor() -> str:
    """The processor's own name where the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
