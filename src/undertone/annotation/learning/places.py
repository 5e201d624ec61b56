"""Names that the learning process and the page's server share; importing them costs nothing."""

VECTORS, STATE, MODEL, JOURNAL = "vectors.npz", "learning.json", "model", "learning.log"
LISTENING, LEARNING, READY, FAILED = "listening", "learning", "ready", "failed"
OFF = "off"  # nothing learns
# Labels: when a round was asked for, when it read the log, of the model that lies there.
ASKED, TRIED, HOLDS = "asked", "tried", "holds"
