"""Names that the learning process and the page's server share; importing them costs nothing."""

VECTORS, STATE, MODEL, JOURNAL = "vectors.npz", "learning.json", "model", "learning.log"
LISTENING, LEARNING, READY, FAILED = "listening", "learning", "ready", "failed"
OFF = "off"  # nothing learns
ASKED = "asked"  # which round was the last
# How many labels it read, and how many the model that lies there holds; digests of what they say.
TRIED, HOLDS, TRIED_OF, HOLDS_OF = "tried", "holds", "tried_of", "holds_of"
