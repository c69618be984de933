"""`python -m emo`."""

import sys

from emo.cli import main

sys.exit(main())
