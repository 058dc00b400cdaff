"""`python -m memori.cli` is the `memori` command."""

import sys

from memori.cli import main

sys.exit(main())
