"""The published benchmarks, each read from its official layout.

`docs/data.md` describes the layouts, and says where each benchmark comes from.
"""

from vlp_rvos.data.benchmarks.completeness import CheckItem
from vlp_rvos.data.benchmarks.referring_dataset import ReferringDataset, ReferringExpression, ReferringVideo
from vlp_rvos.data.benchmarks.registry import benchmark_names, check_benchmark, open_benchmark, splits

__all__ = [
    "CheckItem",
    "ReferringDataset",
    "ReferringExpression",
    "ReferringVideo",
    "benchmark_names",
    "check_benchmark",
    "open_benchmark",
    "splits",
]
