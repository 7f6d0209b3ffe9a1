"""`python -m sslrepro`: the command line."""

import sys

from sslrepro.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
