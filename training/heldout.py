"""The evaluation headlines: words and patterns that the training text never has, from a seed of their own."""

from __future__ import annotations

import random

from training.lists import lines, listed

NOUNS = listed(
    """walrus flamingo armadillo porcupine meerkat gerbil ferret stork vulture jellyfish walnut asparagus lasagne
    meringue gherkin porridge crumpet pretzel radish tambourine ukulele bagpipe harmonica trampoline hammock bathtub
    chandelier parachute submarine hovercraft monocle cardigan galosh doorbell gargoyle obelisk windmill greenhouse
    caravan pylon carousel compost pamphlet crossword abacus sundial igloo wardrobe duvet cutlery bungalow scarecrow
    tuba origami vending-machine karaoke yodel bunion molehill quarry puddle avalanche glacier tyre"""
)
PEOPLE = listed(
    """ventriloquist taxidermist undertaker milkman archaeologist cartographer curator choreographer mortician
    optometrist translator lifeguard stuntman hypnotist actuary notary puppeteer horologist upholsterer falconer
    glazier zookeeper bellringer trombonist clairvoyant pensioner toddler bachelor heiress squatter"""
)
VERBS = listed(
    """serenades bamboozles impersonates headbutts unionises crowdfunds gatecrashes outwits befriends catapults
    hoodwinks knits demolishes alphabetises kidnaps upstages ridicules embalms tickles worships quarantines tows
    plagiarises subpoenas hypnotises launders bequeaths vandalises"""
)
ADJECTIVES = listed(
    """somnambulant disgruntled lopsided flamboyant bioluminescent clumsy mummified gluten-free teetotal ambidextrous
    wobbly nocturnal pungent sarcastic telepathic unclaimed vegan winking yodelling zealous itchy feral"""
)
PLACES = listed(
    """Wolverhampton Reykjavik Ljubljana Timbuktu Saskatoon Albuquerque Gothenburg Marrakesh Tbilisi Düsseldorf Málaga
    Poughkeepsie Ulaanbaatar Zürich Bruges Inverness Kathmandu Valparaíso"""
)
PATTERNS = lines(
    """{P} {v} {a} {n} outside {L} {n}
    {a} {n} {v} {p}
    {L}: {p} who {v} {n}s gets {k} {n}s
    "{a} {n}" {v} {L} {p}, {k} hurt
    Is {L}'s {n} too {a} for the {p}?
    {P} {v} {n} in {L} {n} dispute
    {a} {n}, {a} {p}: how {L} {v} its {n}
    {k}% of {p}s own a {a} {n}
    {P} vs {n} – the {L} {n} affair
    {L} {p} '{v}' {n}
    Nobody {v} the {a} {n} of {L}
    ${k},000 {n} {v} {p} / {p} unimpressed
    {A} {P} {V} {N}
    Ex-{p} {v} {k} {n}s with a {a} {n} while the {p} of {L} only {v} the {n}
    {n} {v} {n}"""
)
WORDS = frozenset(word.casefold() for word in (*NOUNS, *PEOPLE, *VERBS, *ADJECTIVES, *PLACES))


def heldout_headlines(count: int = 200, seed: int = 20261122) -> list[str]:
    """The same *count* headlines for the same seed; every content word is one of this module's."""
    rng = random.Random(seed)
    drawn: dict[str, None] = {}
    while len(drawn) < count:
        drawn[_fill(rng)] = None
    return list(drawn)


def _fill(rng: random.Random) -> str:
    lists = {"n": NOUNS, "p": PEOPLE, "v": VERBS, "a": ADJECTIVES, "L": PLACES}
    out = rng.choice(PATTERNS)
    for mark in ("n", "p", "v", "a", "L"):
        while f"{{{mark}}}" in out:
            out = out.replace(f"{{{mark}}}", rng.choice(lists[mark]), 1)
    for mark, pool in (("N", NOUNS), ("P", PEOPLE), ("V", VERBS), ("A", ADJECTIVES)):
        out = out.replace(f"{{{mark}}}", rng.choice(pool).capitalize())
    out = out.replace("{k}", str(rng.randint(2, 98)))
    return out[0].upper() + out[1:]
