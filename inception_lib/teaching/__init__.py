"""The lessons' own parts: the look of the figures, explorers, checked exercises."""
