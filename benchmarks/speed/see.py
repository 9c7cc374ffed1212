"""Time and memory of one look of the network at a proxy, on one thread, in a process that does nothing else.

    python -m benchmarks.speed.see [--weights FILE]

Prints milliseconds of CPU (median of 30), peak memory in MB without the proxy itself, and milliseconds to load.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path

import cv2
import numpy as np

from pipeline.see.nets import SHIPPED, Network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    proxy = np.random.default_rng(0).random((1024, 1536, 3), np.float32)
    began = time.perf_counter()
    network = Network(options.weights)
    start = time.perf_counter() - began
    network(proxy)
    times: list[float] = []
    for _ in range(30):
        began = time.process_time()
        network(proxy)
        times.append(time.process_time() - began)
    # Not ru_maxrss: a process that another one starts inherits that one's.
    peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024 - proxy.nbytes / 2**20
    print(f"{1000 * float(np.median(times)):.1f} {peak:.0f} {1000 * start:.0f}")


if __name__ == "__main__":
    main()
