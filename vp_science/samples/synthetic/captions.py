"""Sentences about drawn clips: what is to be seen, in several wordings."""

from dataclasses import dataclass

import numpy as np

from vp_science.samples.synthetic.anatomy import COLORS, PATTERNS, Species
from vp_science.samples.synthetic.backgrounds import BACKGROUNDS
from vp_science.samples.synthetic.behaviors import PROGRAMS
from vp_science.samples.synthetic.looks import CAMERAS, LOOKS
from vp_science.samples.synthetic.scene import Facts
from vp_science.samples.synthetic.species import SPECIES


@dataclass(frozen=True)
class Shown:
    """What one clip shows.

    Attributes:
        species, view: of the animals.
        behavior, then: what they do first and after the change; the same where there is none.
        color, pattern: of the first one's coat.
        background, look, camera: by name.
        animals: how many.
        length: of the first one's trunk, in frames.
        facing: -1 to the left, 1 to the right, 0 where that changes or is not to be said (seen from above).
        change: when the behavior changes, in clips from the start; 1 where it does not.
    """

    species: str
    view: str
    behavior: str
    then: str
    color: str
    pattern: str
    background: str
    look: str
    camera: str
    animals: int
    length: float
    facing: int
    change: float
    kind: Species

    @classmethod
    def of(cls, facts: Facts) -> "Shown":
        """From the numbers of one clip."""
        kind = SPECIES[int(facts.species)]
        return cls(
            species=kind.name,
            view=kind.view,
            behavior=PROGRAMS[int(facts.behavior)].name,
            then=PROGRAMS[int(facts.then)].name,
            color=tuple(COLORS)[int(facts.color)],
            pattern=PATTERNS[int(facts.pattern)],
            background=BACKGROUNDS[int(facts.background)].name,
            look=LOOKS[int(facts.look)].name,
            camera=CAMERAS[int(facts.camera)],
            animals=int(facts.animals),
            length=float(facts.length),
            facing=int(facts.facing),
            change=float(facts.change),
            kind=kind,
        )


# Verbs stand in braces, as "{walk}"; they get the form that the sentence needs. "{go}" is the gait of the species.
_DOES: dict[str, tuple[str, ...]] = {
    "moving forward": ("{go} forward", "{go} ahead", "{go}", "{move} forward"),
    "moving backward": ("{go} backward", "{move} backward", "{go} in reverse", "{go} back without turning"),
    "creeping": ("{go} very slowly", "{creep} forward", "{move} forward slowly"),
    "running": ("{hurry}", "{hurry} with wide movements", "{move} fast"),
    "turning around": ("{turn} around on the spot", "{turn} in circles", "{spin} on the spot"),
    "looking around": ("{look} around", "{turn} to and fro on the spot", "{swing} from side to side"),
    "standing still": ("{stand} still", "{rest} without moving", "{stay} in place", "{stand} without moving"),
    "trembling": ("{tremble}", "{shake} on the spot", "{quiver} without going anywhere"),
    "beating fast": ("{beat} fast", "{beat} quickly"),
    "beating slowly": ("{beat} slowly", "{beat} without haste"),
    "curled up": ("{lie} curled up", "{be} curled up", "{rest} rolled up"),
    "stretched out": ("{lie} stretched out", "{lie} straight", "{rest} stretched out"),
    "rearing": ("{rear} on the hind legs", "{rear}", "{stand} upright on the hind legs"),
    "crouching": ("{crouch}", "{crouch} low on the ground", "{stand} with bent legs"),
    "wings spread": ("{hold} the wings spread", "{stand} with open wings", "{spread} the wings"),
    "wing extension": ("{extend} one wing", "{hold} one wing out and {vibrate} it", "{sing} with one wing"),
    "grooming": ("{groom}", "{clean} the face with the front legs", "{wash} the face"),
    "scratching": ("{scratch} with a hind leg", "{scratch}", "{scratch} the flank"),
    "digging": ("{dig}", "{dig} with the front legs", "{dig} in the ground"),
    "feeding": ("{feed} with the head down", "{feed}", "{eat}"),
    "jumping": ("{jump}", "{jump} up again and again", "{leap}"),
    "approaching": ("{approach} another one", "{come} near another one", "{go} towards another one"),
    "retreating": ("{retreat} from another one", "{back} away from another one", "{go} backward away from another one"),
    "following": ("{follow} another one", "{go} behind another one", "{pursue} another one"),
    "fighting": ("{fight} with another one", "{wrestle} with another one", "{attack} another one"),
}
_GAITS = {"walk": "walk", "crawl": "crawl", "swim": "swim", "hop": "hop"}
_HURRIES = {"walk": "run", "crawl": "crawl fast", "swim": "dart", "hop": "hop fast"}
_FEEDING = {"zebra": "graze", "deer": "graze", "giraffe": "graze", "finch": "peck", "crow": "peck"}
_IRREGULAR = {
    "be": ("is", "are", ""),
    "lie": ("lies", "lie", "lying"),
    "run": ("runs", "run", "running"),
    "dig": ("digs", "dig", "digging"),
    "swim": ("swims", "swim", "swimming"),
    "hop": ("hops", "hop", "hopping"),
    "spin": ("spins", "spin", "spinning"),
    "wag": ("wags", "wag", "wagging"),
    "hurry": ("hurries", "hurry", "hurrying"),
}
_FORMS = {"one": 0, "many": 1, "ing": 2}


def full_captions(shown: Shown, rng: np.random.Generator, directions: bool) -> tuple[str, str, str]:
    """Three sentences about a clip that say what is to be seen; words and details are drawn anew for each."""
    return _sentence(shown, rng, directions), _sentence(shown, rng, directions), _sentence(shown, rng, directions)


def brief_caption(shown: Shown) -> str:
    """Only who does what, as "a mouse walking forward"."""
    return f"{_who(shown, [], [])} {_does(shown, shown.behavior, 0, 'ing')}"


def _sentence(shown: Shown, rng: np.random.Generator, directions: bool) -> str:
    form = "ing" if rng.random() < 0.4 else ("one" if _is_one(shown) else "many")
    choice = int(rng.integers(1 << 30))
    does = _does(shown, shown.behavior, choice, form)
    if shown.then != shown.behavior:
        does += f", then {_does(shown, shown.then, choice, form)}"
    parts = [f"{_who(shown, _size(shown, rng), _coat(shown, rng))} {does}"]
    parts += [_place(shown)] if rng.random() < 0.75 else []
    details = []
    if directions and shown.facing and rng.random() < 0.6:
        details.append(f"facing {'right' if shown.facing > 0 else 'left'}")
    if rng.random() < 0.45:
        details.append("seen from above" if shown.view == "above" else "seen from the side")
    phrase = next(look.phrase for look in LOOKS if look.name == shown.look)
    if rng.random() < (0.05 if shown.look == "color" else 0.5):
        details.append(phrase)
    if shown.camera != "still" and rng.random() < 0.4:
        details.append(f"filmed by {'an unsteady' if shown.camera == 'unsteady' else 'a moving'} camera")
    return ", ".join([" ".join(parts), *details])


def _is_one(shown: Shown) -> bool:
    """Whether the subject of the sentence is one animal: of two that do different things, the one that acts."""
    return shown.animals == 1 or _is_social(shown)


def _is_social(shown: Shown) -> bool:
    return "another" in _DOES[shown.behavior][0]


def _who(shown: Shown, size: list[str], coat: list[str]) -> str:
    words = [*size, *coat, shown.kind.name if _is_one(shown) else shown.kind.plural]
    if not _is_one(shown):
        return " ".join(["two", *words])
    return " ".join(["an" if words[0][0] in "aeiou" else "a", *words])


def _size(shown: Shown, rng: np.random.Generator) -> list[str]:
    """Small and large are said of how large the picture of the animal is."""
    if rng.random() < 0.5:
        return []
    return ["small"] if shown.length < 0.16 else ["large"] if shown.length > 0.30 else []


def _coat(shown: Shown, rng: np.random.Generator) -> list[str]:
    """The colors that can be seen: without color only how bright they are."""
    words = [shown.pattern] if shown.pattern != "plain" and rng.random() < 0.7 else []
    if rng.random() < 0.7:
        words.append(shown.color if shown.look in ("color", "dim") else _tone(shown.color))
    return words


def _tone(color: str) -> str:
    bright = float(np.dot(COLORS[color], (0.30, 0.59, 0.11)))
    return "dark" if bright < 0.3 else "pale" if bright > 0.6 else "grey"


def _place(shown: Shown) -> str:
    return next(ground.place for ground in BACKGROUNDS if ground.name == shown.background)


def _does(shown: Shown, behavior: str, choice: int, form: str) -> str:
    phrases = _DOES[behavior]
    return _conjugated(phrases[choice % len(phrases)], form, shown.kind)


def _conjugated(phrase: str, form: str, kind: Species) -> str:
    special = {
        "go": _GAITS[kind.moves],
        "hurry": _HURRIES[kind.moves],
        "beat": "beat the wings" if kind.beats == "wings" else "wag the tail",
        "feed": _FEEDING.get(kind.name, "feed"),
    }
    words = []
    for word in phrase.split():
        if not word.startswith("{"):
            words.append(word)
            continue
        verb, *rest = special.get(word[1:-1], word[1:-1]).split()
        words += [part for part in (_form(verb, form), *rest) if part]
    return " ".join(words)


def _form(verb: str, form: str) -> str:
    if verb in _IRREGULAR:
        return _IRREGULAR[verb][_FORMS[form]]
    if form == "many":
        return verb
    if form == "one":
        return verb + ("es" if verb.endswith(("s", "sh", "ch", "x")) else "s")
    return (verb[:-1] if verb.endswith("e") else verb) + "ing"
