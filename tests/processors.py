"""Marks for tests of what only some processors can do."""

from __future__ import annotations

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.runtimes import int8


def _multiplies_int8() -> bool:
    try:
        int8.check_kernel()
    except UserError:
        return False
    return True


needs_int8 = pytest.mark.skipif(not _multiplies_int8(), reason="this processor has no exact 8-bit products")
