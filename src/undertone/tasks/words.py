"""Words for emotions that are not read as such: misspelt, or of another language.

In:  the labels of a corpus, as they came out of ``names.canonical_emotion``.
Out: those that are no emotion known here, with their counts and the nearest known one.

A guess is only shown: reading ``Freude`` as happiness by itself would also read what nobody meant.
"""

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping

from undertone.tasks.names import EMOTIONS, SYNONYMS

ALIKE = 0.7  # of two words, as difflib counts: "angwr" and "anger" are .8 alike
TRANSLATIONS: Mapping[str, tuple[str, ...]] = {  # de, fr, es, it, pt, nl, pl, tr, ru, zh
    "anger": (
        *("wut", "ärger", "zorn", "wütend", "colère", "colere", "enfado", "enojo", "ira", "rabia"),
        *("rabbia", "raiva", "woede", "boos", "boosheid", "złość", "gniew", "öfke", "kızgın"),
        *("гнев", "злость", "愤怒", "生气"),
    ),
    "happiness": (
        *("freude", "fröhlich", "glück", "glücklich", "joie", "alegría", "alegria", "felicidad"),
        *("gioia", "felicità", "felicidade", "blij", "blijheid", "vreugde", "radość", "mutlu"),
        *("mutluluk", "радость", "счастье", "开心", "高兴", "快乐"),
    ),
    "neutral": ("neutre", "neutro", "neutraal", "neutralny", "nötr", "нейтральный", "中性", "中立"),
    "sadness": (
        *("trauer", "traurig", "tristesse", "triste", "tristeza", "tristezza", "verdriet"),
        *("verdrietig", "smutek", "üzgün", "üzüntü", "грусть", "печаль", "悲伤", "难过", "伤心"),
    ),
    "fear": (
        *("angst", "furcht", "peur", "miedo", "temor", "paura", "medo", "bang", "strach", "lęk"),
        *("korku", "страх", "恐惧", "害怕"),
    ),
    "disgust": (
        *("ekel", "abscheu", "dégoût", "degout", "asco", "disgusto", "nojo", "walging", "afkeer"),
        *("wstręt", "obrzydzenie", "iğrenme", "tiksinti", "отвращение", "厌恶"),
    ),
    "surprise": (
        *("überraschung", "überrascht", "erstaunen", "sorpresa", "surpresa", "verrassing"),
        *("zaskoczenie", "zdziwienie", "şaşkın", "şaşkınlık", "удивление", "惊讶", "吃惊"),
    ),
    "boredom": ("langeweile", "gelangweilt", "ennui", "aburrimiento", "noia", "tédio", "nuda"),
    "calm": ("ruhe", "ruhig", "calme", "calma", "rustig", "spokój", "sakin", "спокойствие"),
    "contempt": ("verachtung", "mépris", "desprecio", "disprezzo", "desprezo", "minachting"),
    "frustration": ("frust", "frustriert", "frustré", "frustración", "frustrazione"),
    "other": ("andere", "anderes", "sonstiges", "autre", "otro", "altro", "outro", "inny"),
}
_BY_WORD = {word: emotion for emotion, words in TRANSLATIONS.items() for word in words}


def unknown_words(labels: Iterable[str]) -> list[tuple[str, int, str]]:
    """(word, how often, nearest known emotion or "") of labels that are none known here."""
    counts = Counter(label for label in labels if label not in EMOTIONS)
    return [(word, n, nearest(word)) for word, n in sorted(counts.items())]


def nearest(word: str) -> str:
    """The known emotion that a word is likely to mean; "" where none is near.

    >>> nearest("Freude"), nearest("angrry"), nearest("nostalgia")
    ('happiness', 'anger', '')
    """
    word = word.casefold().strip()
    if word in _BY_WORD:
        return _BY_WORD[word]
    spellings = {
        spelling: emotion
        for emotion, names in SYNONYMS.items()
        for spelling in names
        if len(spelling) > 2
    }
    near = difflib.get_close_matches(word, spellings, n=1, cutoff=ALIKE)
    return spellings[near[0]] if near else ""


def describe_unknown(labels: Iterable[str]) -> str:
    """A sentence on the labels that are no emotion known here; "" where all are.

    >>> describe_unknown(["anger", "Freude", "Freude", "nostalgia"])
    '2 words are no emotion known here, each counts as one of its own: Freude (2 times, perhaps \
happiness), nostalgia (1 time).'
    """
    words = unknown_words(labels)
    if not words:
        return ""
    told = ", ".join(
        f"{word} ({n} time{'s' * (n != 1)}{f', perhaps {near}' if near else ''})"
        for word, n, near in words
    )
    are = "word is" if len(words) == 1 else "words are"
    return f"{len(words)} {are} no emotion known here, each counts as one of its own: {told}."
