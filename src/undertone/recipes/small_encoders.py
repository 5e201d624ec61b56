"""The small encoders of a recipe: how many layers, how many parameters, and the cut itself.

In:  an encoder, and perhaps numbers of layers.
Out: ``Size``s, the whole last; a folder for each cut one, which a stopped run finds again.

Numbers of layers follow from parameters or from the user, never from a score.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from undertone.errors import UndertoneError
from undertone.features.name import PREFIX, FeatureName
from undertone.features.upstream.shrink import shrink
from undertone.features.upstream.size import nearest, parameters_by_layers
from undertone.features.upstream.source import Upstream

SHARE = 0.2  # of the whole encoder's parameters, as published
FEW = 2  # layers, as in DistilHuBERT, from which the published small encoder is made


@dataclass(frozen=True)
class Size:
    """An encoder, whole or cut.

    Attributes:
        layers: transformer layers that are kept.
        of: transformer layers of the whole.
        parameters: of the encoder; fixed positions are not counted.
        share: of the whole encoder's parameters.
    """

    layers: int
    of: int
    parameters: int
    share: float

    @property
    def label(self) -> str:
        """For people; also the name of the folder, without blanks.

        >>> Size(2, 12, 23_500_000, 0.25).label, Size(12, 12, 94_000_000, 1.0).label
        ('2 of 12 layers', 'whole encoder')
        """
        if self.layers == self.of:
            return "whole encoder"
        return f"{self.layers} of {self.of} layer{'s' if self.of > 1 else ''}"

    @property
    def percent(self) -> str:
        """Its share.

        >>> Size(2, 12, 23_500_000, 0.249).percent
        '25 %'
        """
        return f"{100 * self.share:.0f} %"


def sizes_of(source: Upstream, layers: Sequence[int] = ()) -> tuple[Size, ...]:
    """The cut sizes, the smallest first, and then the whole.

    Args:
        source: the whole encoder.
        layers: numbers of transformer layers; by default that nearest to ``SHARE`` of the
            parameters, and ``FEW``.

    Raises:
        UndertoneError: so many layers cannot be kept of it.
    """
    there = source.n_layers - 1
    if there < 2:
        raise UndertoneError(
            f"the encoder in {source.folder} has {there} transformer layer: no smaller one can be "
            "cut from it; name a larger --upstream"
        )
    if wrong := [kept for kept in layers if not 1 <= kept < there]:
        raise UndertoneError(
            f"--layers takes numbers from 1 to {there - 1}, since the encoder in {source.folder} "
            f"has {there} transformer layers; found {', '.join(map(str, wrong))}"
        )
    parameters = parameters_by_layers(source)
    wanted = layers or [n for n in (nearest(parameters, SHARE), FEW) if n < there]
    return tuple(
        Size(kept, there, parameters[kept], parameters[kept] / parameters[-1])
        for kept in (*sorted(set(wanted)), there)
    )


def cut(features: FeatureName, source: Upstream, size: Size, folder: Path) -> FeatureName:
    """The frames of the encoder cut to a size; it is made once.

    Args:
        features: of the whole encoder, with its options.
        source: the whole encoder.
        size: a cut one.
        folder: in which its folder is, named by size and by the weights of the whole.
    """
    place = folder / f"{size.layers}-of-{size.of}-layers-{source.digest[:12]}"
    if not place.is_dir():
        shrink(f"{PREFIX}{source.folder}", place, layers=size.layers)
    return replace(features, model=str(place)).settled()
