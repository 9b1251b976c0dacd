"""`python -m vlp_rvos` is the command `vlp-rvos`."""

import sys

from vlp_rvos.cli.app import main

sys.exit(main())
