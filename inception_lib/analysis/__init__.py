"""The network's numbers: costs in closed form, and the table of its layers."""

from . import costs
from .summary import layer_table, printed_table1

__all__ = ["costs", "layer_table", "printed_table1"]
