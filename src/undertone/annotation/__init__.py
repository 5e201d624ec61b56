"""Which utterances to label next; an append-only log of labels; the page to label on."""
