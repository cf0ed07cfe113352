"""`python -m amarray`."""

import sys

from amarray.cli import main

sys.exit(main())
