"""`python -m convzoo`, the form that torchrun takes."""

import sys

from convzoo.cli import main

sys.exit(main())
