"""Creaky voice: 36 measures of irregular pulses, and a small network that weighs them."""
