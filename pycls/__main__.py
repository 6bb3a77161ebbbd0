"""`python -m pycls` is the command `pycls`."""

import sys

from pycls.commands import main

if __name__ == "__main__":
    sys.exit(main())
