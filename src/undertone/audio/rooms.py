"""Rooms, codecs and company, made from nothing but numbers, other speech and ffmpeg.

In:  a waveform (n_samples,) at ``audio.SAMPLE_RATE``; a random generator.
Out: another waveform as long as the first, float32.
"""

import subprocess
from collections.abc import Sequence

import numpy as np
import scipy.fft

from undertone.audio import SAMPLE_RATE
from undertone.audio.alterations import as_long_as
from undertone.audio.foreign import INSTALL, PROGRAM
from undertone.errors import UndertoneError

DIRECT = 1.0  # of an impulse response, before it the sound has not come
REVERBERANT = 1.0  # energy behind the direct sound over that of the direct sound
FIRST_ECHO_S = 0.004
ENCODERS = {"mp3": ("libmp3lame", "mp3"), "opus": ("libopus", "ogg")}  # codec, container
DELAY_S = 0.12  # at most so much is an encoder late
LONGEST_CALL_S = 600.0


def reverberant(waveform: np.ndarray, rng: np.random.Generator, *, decay_s: float) -> np.ndarray:
    """In a room: the direct sound, and noise that falls by 60 dB in ``decay_s`` behind it.

    h(t) = d(t) + c n(t) 10^(-3 t / decay_s), n white, c such that both hold as much energy
    (J. Polack, 1988).
    """
    time_s = np.arange(round(decay_s * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.normal(size=len(time_s)) * 10 ** (-3 * time_s / decay_s) * (time_s > FIRST_ECHO_S)
    response = tail * np.sqrt(REVERBERANT / max(float((tail**2).sum()), 1e-12))
    response[0] += DIRECT
    size = scipy.fft.next_fast_len(len(waveform) + len(response), real=True)
    product = scipy.fft.rfft(waveform.astype(float), size) * scipy.fft.rfft(response, size)
    return as_long_as(waveform, scipy.fft.irfft(product, size))


def babble(voices: Sequence[np.ndarray], n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """(n_samples,) several voices at once, equally loud, each from some place on and again."""
    together = np.zeros(n_samples)
    for voice in voices:
        start = int(rng.integers(len(voice)))
        repeated = np.resize(np.roll(voice, -start), n_samples).astype(float)
        together += repeated / max(float(np.sqrt(np.mean(repeated**2))), 1e-9)
    return together


def coded(waveform: np.ndarray, *, codec: str, kilobits: int) -> np.ndarray:
    """Through a codec of so many kilobits a second and back, by ffmpeg.

    Raises:
        UndertoneError: ffmpeg is not there, or cannot do it.
    """
    encoder, container = ENCODERS[codec]
    plain = ("-f", "f32le", "-ar", str(SAMPLE_RATE), "-ac", "1")
    content = np.ascontiguousarray(waveform, dtype="<f4").tobytes()
    rate = ("-c:a", encoder, "-b:a", f"{kilobits}k", "-f", container)
    pressed = _ffmpeg((*plain, "-i", "pipe:0", *rate, "pipe:1"), content, codec)
    heard = _ffmpeg(("-f", container, "-i", "pipe:0", *plain, "pipe:1"), pressed, codec)
    return as_long_as(waveform, _in_time(waveform, np.frombuffer(heard, dtype="<f4")))


def _in_time(waveform: np.ndarray, heard: np.ndarray) -> np.ndarray:
    """What was heard, without the delay of its codec: where both agree best."""
    most, n = round(DELAY_S * SAMPLE_RATE), min(len(waveform), 4 * SAMPLE_RATE)
    size = scipy.fft.next_fast_len(2 * n + most, real=True)
    ours, theirs = (scipy.fft.rfft(x[: n + most].astype(float), size) for x in (waveform, heard))
    agreement = scipy.fft.irfft(theirs * ours.conj(), size)[:most]
    return heard[int(agreement.argmax()) :]


def _ffmpeg(arguments: Sequence[str], content: bytes, codec: str) -> bytes:
    command = [PROGRAM, "-nostdin", "-v", "error", "-threads", "1", *arguments]
    try:
        done = subprocess.run(
            command, input=content, capture_output=True, check=False, timeout=LONGEST_CALL_S
        )
    except FileNotFoundError:
        raise UndertoneError(f"{codec} is made by ffmpeg, which is not here: {INSTALL}") from None
    if done.returncode or not done.stdout:
        told = done.stderr.decode(errors="replace").strip().splitlines()
        raise UndertoneError(
            f"ffmpeg here makes no {codec} ({told[-1] if told else 'it says nothing'}): install "
            "one that has the encoder, or leave the condition out with --conditions"
        )
    return done.stdout
