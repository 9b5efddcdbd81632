"""The network's numbers: costs in closed form, and the table of its layers."""

from ..checks import extra
from . import costs

with extra("train"):  # for pandas
    from .summary import layer_table, printed_table1

__all__ = ["costs", "layer_table", "printed_table1"]
