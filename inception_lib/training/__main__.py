"""``python -m inception_lib.training`` is ``inception train``."""

import sys

from .command import train_main as main

if __name__ == "__main__":
    sys.exit(main())
