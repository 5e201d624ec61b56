"""A recogniser as a folder that another machine runs without Undertone.

``nodes`` is a graph written as arithmetic; ``frames``, ``heads``, ``segments`` and ``encoders`` say
in it what the package computes; ``graphs`` puts a recogniser together. ``features`` carries the
package's own NumPy where the graph does not begin at the waveform. ``folder`` writes all of it,
``parity`` compares it with the package before anything is there, ``cost`` measures what 8 bits
cost. ``alone`` is what runs there: nothing in it imports Undertone.
"""
