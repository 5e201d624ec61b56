"""Published systems, reproduced: a recipe is what a paper printed, its settings, and one call.

In:  a corpus of the user, a folder for the run, settings laid over the recipe's.
Out: a ``Reproduction``: the report, and for a terminal tables and answers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from undertone.errors import UndertoneError
from undertone.pipeline import Resources
from undertone.recipes import (
    against,
    audio_textual,
    masked_gru,
    masking,
    segments,
    several,
    wav2vec_cnn,
)
from undertone.recipes.command import command_of
from undertone.recipes.reproduction import Reproduction

Reproduce = Callable[..., Reproduction]
OPTIONS = ("text", "layers")  # of one recipe alone


@dataclass(frozen=True)
class Recipe:
    """A published system, and what else its paper is asked.

    Attributes:
        name: on the command line.
        published: its own protocol.
        studies: by name, comparisons that the paper names as its next, or claims.
        against: beside an encoder of raw audio.
        options: values that no other recipe takes.
    """

    name: str
    published: Reproduce
    studies: Mapping[str, Reproduce] = field(default_factory=dict)
    against: Reproduce | None = None
    options: tuple[str, ...] = ()

    def __call__(
        self,
        values: Mapping[str, Any],
        out: Path,
        resources: Resources | None = None,
        *,
        quick: bool = False,
    ) -> Reproduction:
        """Run, or go on with, what ``values`` ask for: the protocol, or the study they name.

        On several corpora each has its own run, and the claims stand side by side.
        """
        command, values = command_of(self.name, values, quick=quick), dict(values)
        if foreign := [n for n in OPTIONS if values.get(n) and n not in self.options]:
            raise UndertoneError(
                f"the recipe {self.name} has no --{', --'.join(foreign)}; audio-textual has"
            )
        study, against = str(values.pop("study", "") or ""), bool(values.get("against"))
        reproduce = self._asked(study, against=against)
        out, resources = Path(out), resources or Resources()
        corpus = values.get("corpus")
        if corpus and not isinstance(corpus, str) and len(corpus) > 1:
            return several.reproduce(
                reproduce, values, out, resources, command=command, quick=quick
            )
        if corpus and not isinstance(corpus, str):
            values["corpus"] = corpus[0]
        return reproduce(values, out, resources, quick=quick)

    def _asked(self, study: str, *, against: bool) -> Reproduce:
        if study and against:
            raise UndertoneError("--study and --against are two questions; ask one at a time")
        if against:
            if self.against is None:
                raise UndertoneError(f"the recipe {self.name} has no --against; masked-gru has")
            return self.against
        if not study:
            return self.published
        if study not in self.studies:
            raise UndertoneError(
                f"the recipe {self.name} has no study {study!r}; it has "
                f"{', '.join(self.studies) or 'none: leave --study out'}"
            )
        return self.studies[study]


RECIPES: Mapping[str, Callable[..., Reproduction]] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "masked-gru",
            masked_gru.reproduce,
            studies={"masking": masking.reproduce},
            against=against.reproduce,
        ),
        Recipe("wav2vec-cnn", wav2vec_cnn.reproduce, studies={"segments": segments.reproduce}),
        Recipe("audio-textual", audio_textual.reproduce, options=OPTIONS),
    )
}
