"""Which utterances to label next: their geometry, strategies, picks with a reason each."""
