"""The words of the training headlines, by category. None of them is in heldout.py: headlines.py sees to it."""

from __future__ import annotations

from training.lists import lines, listed

CATEGORIES: dict[str, tuple[str, ...]] = {
    "animal": listed(
        """goat llama pigeon swan parrot tortoise donkey otter badger raccoon hedgehog crow seal pelican moose bear fox
        rabbit hamster horse cow sheep piglet rooster duck goose turkey owl falcon lobster octopus crab eel trout salmon
        whale dolphin penguin camel giraffe elephant monkey lemur sloth koala kangaroo wombat emu ostrich snake lizard
        iguana frog toad newt snail beetle moth wasp bee ant spider rat mouse squirrel beaver weasel cat kitten dog
        puppy terrier poodle greyhound bull calf mule alpaca yak bison reindeer"""
    ),
    "machine": listed(
        """robot drone printer toaster satellite elevator escalator tractor excavator dishwasher kettle fridge laptop
        chatbot app algorithm server router scanner camera microphone speaker thermostat vacuum scooter tram train bus
        ferry helicopter glider rocket telescope radar sensor computer keyboard smartphone website password email
        hologram jukebox typewriter generator turbine battery lawnmower forklift crane"""
    ),
    "civic": listed(
        """mayor council court judge senator police parliament museum library school university hospital embassy ministry
        jury lawyer bishop choir orchestra union committee inspector referee postman firefighter librarian teacher
        professor sheriff warden governor ambassador auditor customs census election treaty tax law permit parade
        museum theatre bank airport prison stadium zoo town village city county district"""
    ),
    "food": listed(
        """cheese sausage pancake pizza burger noodle dumpling pickle onion potato pumpkin melon banana cherry lemon
        mango cabbage carrot mushroom truffle honey mustard ketchup vinegar butter yoghurt milk coffee tea beer wine
        cider bread bagel croissant waffle biscuit cake pie pudding custard jam marmalade soup stew curry omelette egg
        bacon ham popcorn chocolate candy ice-cream salad"""
    ),
    "thing": listed(
        """umbrella piano violin trumpet accordion statue fountain bridge tunnel lighthouse chimney roof door window
        staircase ladder bucket wheelbarrow bicycle canoe suitcase wallet ring necklace wig moustache hat boot sock
        scarf trousers button zip carpet curtain pillow mattress blanket candle lantern clock calendar map postcard
        letter diary novel dictionary painting portrait photograph puzzle kite balloon snowman sandcastle shovel hammer
        spoon teapot mirror key coin stamp bottle barrel basket fence hedge tree rose garden pond island cloud moon
        tornado flood fog snow"""
    ),
    "person": listed(
        """man woman teenager grandmother grandfather twins bride groom widow neighbour tourist burglar thief farmer
        baker butcher barber plumber electrician pilot sailor astronaut scientist chemist dentist surgeon nurse poet
        novelist painter sculptor singer drummer dancer clown magician juggler athlete goalkeeper boxer chess-player
        fisherman shepherd gardener beekeeper hunter soldier spy detective accountant banker waiter chef student
        hairdresser tailor cobbler locksmith taxi-driver commuter landlord tenant millionaire beggar monk nun priest"""
    ),
}

VERBS = listed(
    """steals sues eats rescues paints loses finds returns bans adopts marries arrests hires fires buries photographs
    mistakes swallows refuses invents sells rents borrows breaks repairs hides follows chases greets haunts interrupts
    delays blocks swaps names elects outruns outlives divorces forgives apologises-to teaches trains weighs measures
    counts auctions inherits smuggles rebuilds melts freezes burns floods cancels opens closes occupies evicts"""
)
PAST = listed(
    """stolen found lost banned arrested rescued rebuilt sold eaten painted forgotten buried married elected cancelled
    returned delivered photographed blamed praised fined pardoned hired fired locked trapped glued frozen melted"""
)
ADJECTIVES = listed(
    """angry retired haunted invisible giant tiny stolen borrowed missing famous anonymous barefoot sleepy drunken
    polite furious runaway homesick left-handed bearded bald blind deaf ancient brand-new frozen inflatable wooden
    plastic golden rusty purple orange striped singing dancing talking lonely jealous lucky unlucky reluctant secret
    illegal legal honorary unpaid overdue second-hand upside-down radioactive edible fake genuine local foreign"""
)
ADVERBS = listed(
    """again twice by-mistake overnight for-charity on-live-television during-a-funeral at-a-wedding in-self-defence
    for-the-third-time without-noticing out-of-spite after-forty-years before-breakfast in-broad-daylight on-Monday
    in-the-rain by-post for-a-bet at-midnight"""
)
REASONS = listed(
    """because-it-was-there to-avoid-paying-rent after-losing-a-bet while-asleep over-a-spelling-mistake
    to-prove-a-point instead-of-voting and-nobody-noticed then-asks-for-a-receipt but-keeps-the-change
    and-wants-an-apology despite-the-smell in-search-of-a-wife to-save-on-heating so-that-it-could-sleep
    although-it-was-closed and-the-neighbours-are-thrilled because-of-a-typo"""
)
FIRST_NAMES = listed(
    """Anna Boris Clara Dmitri Elena Farid Greta Hugo Ines Jonas Karim Leila Marco Nadia Oscar Paula Quentin Rosa Stefan
    Tilda Umar Vera Walter Yusuf Zelda Arthur Beatrix Cedric Dolores Edgar Fiona Gustav Hilda Ivan Judith Kofi Lorenzo
    Mabel Nils Olga Pedro Ravi Saskia Tomasz Ursula Viktor Wanda Xavier Yolanda"""
)
SURNAMES = listed(
    """Abbott Brennan Castillo Dubois Eriksen Fletcher Gallagher Hoffman Ito Jansen Kowalski Lindgren Moreau Nakamura
    Okafor Petrov Quigley Rossi Schmidt Tanaka Underhill Vasquez Whitaker Yilmaz Zimmerman Baxter Crowley Delgado
    Engel Farrow Grimes Hobbs Ivanov Jacoby Keane Lopez Mercer Novak"""
)
TOWNS = listed(
    """Oslo Leeds Ghent Porto Turin Lyon Bergen Krakow Zagreb Sofia Riga Cork Bath Dover Perth Austin Boise Tulsa Fargo
    Reno Omaha Quebec Lima Quito Bogota Havana Cairo Tunis Dakar Accra Nairobi Delhi Mumbai Kyoto Osaka Seoul Hanoi
    Manila Jakarta Sydney Hobart Auckland Florida Texas Ohio Bavaria Tuscany Cornwall Wales Norway Finland Peru"""
)
STOPWORDS = frozenset(
    listed(
        """about after again against also although another because before being between both cannot could despite does
    during each even ever every from have here hers himself herself instead into itself just like made make many more
    most much must never nobody none only other over says same should since some someone still such than that their
    them then there these they this those though through till under until upon very were what when where which while
    whom whose will with within without would your"""
    )
)
TEMPLATES = lines(
    """{Adj} {animal} {verb} {thing} in {Town}
    {Person} {verb} {adj} {animal} {adverb}
    {Town} {civic} {verb} {animal} {reason}
    {Civic} rules that {food} is not a {thing}
    {Name} {Surname}, {n}, {verb} {food} {adverb}
    {Adj} {person} {past} with {n} {food}s in {thing}
    '{Adj} {animal}' {past} near {Town} {civic}
    {Person} accused of teaching {animal} to {adverb}
    Why did the {animal} of {Town} {past} the {thing}?
    {n} {animal}s {past} after {machine} {verb} {civic}
    {Machine} {verb} {person}, {reason}
    "{Q} is not a {thing}," says {adj} {civic}
    {Civic}: {n}% of {person}s would rather be {past}
    {Town} {person} who {verb} {thing}s is {past} {adverb}
    Police seek {adj} {person} dressed as {food}
    {Person} {verb} own {thing} {reason}
    Stolen {thing} {past} inside {adj} {animal}
    {Name}'s {animal} {verb} the {civic}'s {thing}
    Can a {machine} be {past}? {Town} {civic} says yes
    {Adj} {food} worth ${n},{nnn} {past} in {Town}
    {Civic} apologises to {animal} {adverb}
    Scientists {verb} the {adj} {animal} / {machine} question
    {Person} wins £{n}m, spends it on {food}
    Breaking: {machine} {past}, {person} {past}, {animal} unharmed
    World's {adj} {food} {past} {reason}
    The {animal} that {verb} {Town}
    {Animal} on the run {adverb}: "{Q} was {past}"
    Dear {civic}, your {machine} {verb} my {animal}
    {Person} {n} days late {reason}
    {Town}-{Town} {machine} delayed by {adj} {animal}
    {ANIMAL} {VERB} {THING}
    Local {person} still {past}
    {animal} {past}
    How {Name} {Surname} {verb} a {thing} for €{n}.{nn}
    {Civic} bans {thing}s, {food} and {Name} from {civic}
    No, the {machine} was not {past} by a {animal}
    {Person} marries {thing}; {animal} objects
    {Name} & {Name}: two {person}s, one {thing}, {n} {animal}s
    {Adj} {machine} [update] {verb} {civic} (again)
    Man {verb} {thing} he {verb} {adverb}, {civic} told
    {Food} thief known only as “{Q}” {past} in {Town}
    {n}-year-old {person} {verb} {machine} {reason}
    {Town} to replace {civic} with {adj} {animal}s by {year}
    It's official: {food} {verb} {person}s, study finds"""
)
