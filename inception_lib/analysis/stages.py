"""Old names, until the lessons use ``parts``'s."""

from .parts import answers, modules, stage_maps, trunk

__all__ = ["answers", "modules", "stage_maps", "trunk"]
