"""Long recordings in overlapping pieces, in a graph, as ``features.upstream.batches.plan_pieces``.

In:  how many samples and frames each recording has, (batch,).
Out: ``Pieces``: which frames each piece computes; the frames of all pieces put together again.

Every recording has as many pieces as the one with the most; those beyond its own are of no frame
and nobody reads them.
"""

from dataclasses import dataclass

from undertone.features.upstream.batches import MARGIN_FRAMES, PIECE_FRAMES
from undertone.serving.onnx.frames import Frames, gathered
from undertone.serving.onnx.nodes import Graph, Value

MOST = PIECE_FRAMES - 2 * MARGIN_FRAMES  # frames that a piece keeps


@dataclass(frozen=True)
class Pieces:
    """Pieces of a batch of recordings.

    Attributes:
        samples: (batch,) of the recordings.
        lengths: (batch,) frames of the recordings.
        n_pieces: (batch,) of each.
        first: (batch, most) first frame that a piece computes.
        last: (batch, most) behind the last one.
    """

    samples: Value
    lengths: Value
    n_pieces: Value
    first: Value
    last: Value

    @classmethod
    def of(cls, samples: Value, lengths: Value) -> "Pieces":
        """Cut where the package cuts."""
        graph = lengths.graph
        n_pieces = lengths.rounded_up(MOST).where(lengths >= PIECE_FRAMES + 1, 1)
        places = graph.count(n_pieces.max(0)).with_axes(0)
        total, n = lengths.with_axes(1), n_pieces.with_axes(1)
        first, last = ((total * part / n).at_most(total) for part in (places, places + 1))
        return cls(
            samples,
            lengths,
            n_pieces,
            (first - MARGIN_FRAMES).at_least(0),
            (last + MARGIN_FRAMES).at_most(total),
        )

    @property
    def graph(self) -> Graph:
        return self.lengths.graph

    @property
    def sizes(self) -> Value:
        """(batch * most,) frames that each piece computes."""
        return (self.last - self.first).reshaped([-1])

    def flat(self, values: Value) -> Value:
        """(batch * most,) of (batch, most)."""
        return values.reshaped([-1])

    def recording(self) -> Value:
        """(batch * most,) whose piece it is."""
        rows = self.graph.count(self.lengths.size(0)).with_axes(1)
        return rows.spread(self.first.called("Shape")).reshaped([-1])

    def joined(self, values: Value) -> Frames:
        """The frames of the recordings.

        Args:
            values: (batch * most, n_positions, width) of the pieces.
        """
        graph = self.graph
        places = graph.count(self.lengths.max(0)).with_axes(0)
        total, n = self.lengths.with_axes(1), self.n_pieces.with_axes(1)
        # Piece i keeps the frames from floor(i * total / n) on: the last such i for each frame.
        piece = (((places + 1) * n - 1) / total).at_most(n - 1)
        most = self.first.size(1)
        row = piece + graph.count(self.lengths.size(0)).with_axes(1) * most
        first = self.flat(self.first).rows(row)
        beyond = places < total
        within = (places - first).where(beyond, 0)
        return Frames(gathered(values, row, within), self.lengths)
