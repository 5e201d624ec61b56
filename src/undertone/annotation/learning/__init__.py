"""Learning while somebody labels: a model in the background, and what more labels would bring."""
