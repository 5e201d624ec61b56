"""Published systems, reproduced: a recipe is what a paper printed, its settings, and one call."""
