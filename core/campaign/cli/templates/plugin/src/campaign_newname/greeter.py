"""The program behind the tool: appends greetings to a file, one a line."""

import sys
import time


def main(path: str, count: int, pause_s: float) -> None:
    """Write ``count`` lines, each in the file before the next one is thought of."""
    with open(path, "w", encoding="utf-8") as file:
        for number in range(count):
            print(f"hello {number}", file=file, flush=True)
            time.sleep(pause_s)
    print(f"greetings {count}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
