"""The command line: parse, settings, one stage function, print.

What the caller can fix is printed without a traceback and ends with exit status 2.
"""

import os
import sys

from undertone.cli import audit, encoders, evidence, small, steps, text
from undertone.cli.app import app
from undertone.errors import UndertoneError

__all__ = ["app", "audit", "encoders", "evidence", "main", "small", "steps", "text"]


def main() -> None:
    """Run the command line; turn what the caller can fix into a message and exit status 2."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # processes share the cores, threads fight
    try:
        app(standalone_mode=True)
    except UndertoneError as error:
        print(f"undertone: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("undertone: stopped; what is finished is kept", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
