"""What the layers of an encoder carry, in sentences.

In:  ``LayersResult``.
Out: a sentence or two a budget: the best layer, those that cannot be told from it, where the
     encoder may be cut. Then what gains most from depth.

A layer is called best, worse or needed only where an interval says so.
"""

from collections.abc import Iterator, Sequence

from undertone.evaluation.estimate import Estimate, decimal
from undertone.evaluation.layers.profiles import Cut, Gain, Profile
from undertone.evaluation.layers.result import Encoder, LayersResult
from undertone.evaluation.report.claims import series
from undertone.evaluation.report.result import count
from undertone.tasks.task import DepthClaim


def of_budget(result: LayersResult, budget: int) -> str:
    """The best layer, those that cannot be told from it, and where the encoder may be cut."""
    profile, label = result.probes.profile(budget), result.curve.headline.label
    start = f"With {budget} labels"
    if not profile.is_known:
        return (
            f"{start} layer {profile.best} has the best {label} ({profile.scores[profile.best]}), "
            f"but nothing can be said: one {result.curve.unit} gives no interval."
        )
    if not result.probes.clears_floors(budget):
        return (
            f"{start} no layer is measurably better in {label} than a prediction that hears "
            "nothing: layers cannot be compared."
        )
    return f"{start} {_best(profile, label)}. {_cut(result.probes.cut(budget))}"


def of_depth(result: LayersResult) -> Iterator[str]:
    """What gains most from depth, with the most labels; and the task's own question."""
    budget, task = result.largest, result.task
    if len(task.outputs) < 2 or not result.probes.profile(budget).is_known:
        return
    gains = sorted(result.probes.gains(budget), key=lambda gain: -gain.estimate.value)
    told = ", ".join(map(_gain, gains))
    yield f"From layer 0 to the best layer of each {task.each}, with {budget} labels: {told}."
    first, *others = [gain.output for gain in gains]
    lead = result.probes.lead(budget, first, others)
    yield (
        f"{_upper(first)} gains most from depth: {lead.signed()} more than {series(others)}"
        f"{' on average' if len(others) > 1 else ''}."
        if lead.excludes_zero and lead.value > 0
        else f"No {task.each} gains measurably more from depth than the others."
    )
    claim = task.depth_claim
    if claim is not None and {claim.deep, claim.shallow} <= set(task.outputs):
        yield _answer(claim, result.probes.lead(budget, claim.deep, [claim.shallow]))


def of_weights(result: LayersResult) -> str:
    """What the learned weights say, or why nothing."""
    few = [str(budget) for budget in result.budgets if budget < result.least_labels]
    refused = f"with {series(few)} labels there are too few to say anything" if few else ""
    if not result.weights:
        return (
            f"No weights over layers were learned: {refused} (they are learned from "
            f"{result.least_labels} labels on)."
        )
    budget = max(result.weights)
    mean, n_fits = result.weights[budget].mean(axis=0), len(result.weights[budget])
    heaviest = int(mean.argmax())
    return (
        f"Learned weights, with {budget} labels: layer {heaviest} weighs most, "
        f"{decimal(float(mean[heaviest]))} on average of {count(n_fits, 'fit')}; equal weights "
        f"would be {decimal(1 / len(mean))}.{f' {_upper(refused)}.' if few else ''}"
    )


def of_encoder(encoder: Encoder) -> str:
    """Which layers there are; of a cut encoder, what it was cut from."""
    last = encoder.n_layers - 1
    text = f"{encoder.name} ({encoder.family}) has the layers 0 to {last}"
    if encoder.cut_from is None:
        return f"{text}."
    return f"{text}; it was cut from an encoder that has the layers 0 to {encoder.cut_from}."


def everything(result: LayersResult) -> list[str]:
    """All sentences, from the most labels to the fewest."""
    return [
        *(of_budget(result, budget) for budget in reversed(result.budgets)),
        *of_depth(result),
        of_weights(result),
    ]


def _best(profile: Profile, label: str) -> str:
    score, near = profile.scores[profile.best], profile.near
    if len(near) == profile.top:
        return f"the layers cannot be told apart in {label}; layer {profile.best} has {score}"
    if not near:
        return f"layer {profile.best} is the best in {label}, {score}: all others are worse"
    return (
        f"layer {profile.best} has the best {label}, {score}; {layers(near)} cannot be told from it"
    )


def _cut(cut: Cut) -> str:
    if cut.gain is None:
        return f"No layer can be cut away: layer {cut.layer}, the last, is better than all below."
    free = f"From layer {cut.layer} on truncation is free"
    if cut.gain.high < 0:
        return f"{free}: every layer above it is worse, the nearest by {cut.gain.signed()}."
    return (
        f"{free}: no layer above it is measurably better (layer {cut.hopeful} may add most: "
        f"{cut.gain.signed()})."
    )


def layers(numbers: Sequence[int]) -> str:
    """Layers as one reads them out, neighbours together.

    >>> layers([3]), layers([1, 2]), layers([0, 2, 3, 4, 6])
    ('layer 3', 'layers 1 and 2', 'layers 0, 2 to 4 and 6')
    """
    if len(numbers) == 1:
        return f"layer {numbers[0]}"
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    words = [
        word
        for run in runs
        for word in ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run))
    ]
    return f"layers {series(words)}"


def _gain(gain: Gain) -> str:
    return f"{gain.output} {gain.estimate.signed()} (layer {gain.layer})"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _answer(claim: DepthClaim, lead: Estimate) -> str:
    word = "open"
    if lead.excludes_zero:
        word = "yes" if lead.value > 0 else "no"
    return (
        f"Does {claim.deep} gain more from depth than {claim.shallow}, as published? "
        f"{_upper(word)}: {lead.signed()}. {claim.caveat}"
    )
