"""Old names, until the lessons use ``attribution``'s."""

from .attribution import cascade, from_the_top, randomised

__all__ = ["cascade", "from_the_top", "randomised"]
