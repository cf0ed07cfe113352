"""Where the program starts: `amarray`, and `python -m amarray`."""

import os
import sys

from amarray.stopping import handling


def main() -> int:
    """The exit code of the command line, whose imports take a second: a stop meanwhile is a line, too."""
    with handling(_end):
        from amarray import cli

        return cli.main()


def _end(number: int, frame: object) -> None:
    """End the process at once, for an exception within an import may come out as another one, or not at all."""
    try:
        os.write(2, b"amarray: stopped; nothing was left half-written\n")
    finally:
        os._exit(130)


if __name__ == "__main__":
    sys.exit(main())
