"""How long it takes until something happens.

    python benchmarks/start_up.py

Claims: `import unmask` takes less than 2.5 s, with all that a first generation needs (torch
among it), and `unmask --help` less than 1 s. Medians of new processes.
"""

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "import unmask": [sys.executable, "-c", "import unmask"],
    "import unmask, and every public name": [
        sys.executable,
        "-c",
        "import unmask; [getattr(unmask, name) for name in dir(unmask)]",
    ],
    "unmask --help": [sys.executable, "-m", "unmask", "--help"],
    "unmask generate --help": [sys.executable, "-m", "unmask", "generate", "--help"],
}


def main() -> None:
    for name, command in COMMANDS.items():
        seconds = []
        for _ in range(6):
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds.append(time.perf_counter() - start)
        print(f"{name:<38} {statistics.median(seconds[1:]):.2f} s", flush=True)


if __name__ == "__main__":
    main()
