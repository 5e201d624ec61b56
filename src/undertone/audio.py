"""Waveforms and the frame grid that every feature shares."""

SAMPLE_RATE = 16_000  # Hz
HOP_S = 0.010
HOP_LENGTH = round(HOP_S * SAMPLE_RATE)  # 160 samples
FRAMES_PER_SECOND = SAMPLE_RATE // HOP_LENGTH  # 100
assert HOP_LENGTH * FRAMES_PER_SECOND == SAMPLE_RATE
