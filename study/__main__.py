"""`python -m study` is the command `evenkeel`."""

import sys

from study.cli import main

sys.exit(main())
