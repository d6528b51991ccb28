"""Who and what the generated sentences are about: groups of people, slurs, names, things.

Labelled sources mention some groups almost only in abuse, so a model learns the group's
name as an insult. ``GROUPS`` are put into friendly and hateful sentences equally often.
``SLURS`` are words a detector of hate has to know; they appear in hateful use and, less
often, in sentences that report or reject them. ``NAMES`` and the things that are no group
keep a name or a rude verb alone from deciding anything.
"""

from typing import NamedTuple


class Group(NamedTuple):
    """A group of people: as an adjective, as one person, as people, and its kind."""

    one: str
    person: str
    many: str
    kind: str


def _of(kind: str, *forms: str) -> tuple[Group, ...]:
    """Groups of one kind from "adjective/person/people" forms."""
    split = (form.split("/") for form in forms)
    return tuple(Group(one, person, many, kind) for one, person, many in split)


GROUPS: tuple[Group, ...] = (
    *_of(
        "gender", "female/woman/women", "male/man/men", "trans/trans person/trans people",
        "transgender/transgender woman/transgender women", "nonbinary/nonbinary person/"
        "nonbinary people", "feminist/feminist/feminists",
    ),
    *_of(
        "orientation", "gay/gay man/gay people", "lesbian/lesbian/lesbians",
        "bisexual/bisexual person/bisexuals", "queer/queer person/queer people",
        "straight/straight person/straight people", "LGBT/LGBT person/LGBT people",
        "homosexual/homosexual/homosexuals", "heterosexual/heterosexual/heterosexuals",
    ),
    *_of(
        "religion", "Muslim/Muslim/Muslims", "Jewish/Jew/Jews", "Christian/Christian/Christians",
        "Catholic/Catholic/Catholics", "Protestant/Protestant/Protestants",
        "Hindu/Hindu/Hindus", "Sikh/Sikh/Sikhs", "Buddhist/Buddhist/Buddhists",
        "atheist/atheist/atheists", "Mormon/Mormon/Mormons",
    ),
    *_of(
        "race", "black/black person/black people", "white/white person/white people",
        "African American/African American/African Americans", "Asian/Asian/Asians",
        "Latino/Latino/Latinos", "Hispanic/Hispanic person/Hispanics", "Arab/Arab/Arabs",
        "Roma/Roma person/Roma people", "Native American/Native American/Native Americans",
        "Indigenous/Indigenous person/Indigenous people", "brown/brown person/brown people",
        "mixed-race/mixed-race person/mixed-race people", "Black/Black woman/Black women",
    ),
    *_of(
        "nationality", "immigrant/immigrant/immigrants", "refugee/refugee/refugees",
        "migrant/migrant/migrants", "foreign/foreigner/foreigners",
        "African/African/Africans", "Mexican/Mexican/Mexicans", "Turkish/Turk/Turks",
        "Irish/Irish person/Irish people", "Chinese/Chinese person/Chinese people",
        "Indian/Indian/Indians", "Pakistani/Pakistani/Pakistanis", "Polish/Pole/Poles",
        "Russian/Russian/Russians", "American/American/Americans",
        "European/European/Europeans", "Japanese/Japanese person/Japanese people",
        "Canadian/Canadian/Canadians", "Middle Eastern/Middle Eastern person/"
        "Middle Eastern people", "Syrian/Syrian/Syrians", "Nigerian/Nigerian/Nigerians",
    ),
    *_of(
        "disability", "disabled/disabled person/disabled people", "deaf/deaf person/deaf people",
        "blind/blind person/blind people", "autistic/autistic person/autistic people",
        "paralysed/paralysed person/paralysed people",
        "wheelchair-using/wheelchair user/wheelchair users",
    ),
    *_of(
        "age", "elderly/elderly person/elderly people", "old/old person/old people",
        "young/young person/young people", "teenage/teenager/teenagers",
        "middle-aged/middle-aged person/middle-aged people",
    ),
)  # fmt: skip

# Slurs by the group that each is aimed at, as "singular/plural".
SLURS_BY_GROUP: dict[str, tuple[str, ...]] = {
    "black people": ("nigger/niggers", "coon/coons", "jigaboo/jigaboos", "porch monkey/"
                     "porch monkeys", "darkie/darkies"),
    "Jews": ("kike/kikes", "yid/yids", "heeb/heebs"),
    "Muslims": ("raghead/ragheads", "muzzie/muzzies", "towelhead/towelheads"),
    "Arabs": ("sand nigger/sand niggers", "camel jockey/camel jockeys"),
    "Latinos": ("spic/spics", "wetback/wetbacks", "beaner/beaners"),
    "Asians": ("chink/chinks", "gook/gooks", "slant-eye/slant-eyes"),
    "Japanese people": ("jap/japs", "nip/nips"),
    "Pakistanis": ("paki/pakis",),
    "Indians": ("pajeet/pajeets", "curry muncher/curry munchers"),
    "Roma people": ("gyppo/gyppos", "pikey/pikeys"),
    "Italians": ("wop/wops", "dago/dagos"),
    "Poles": ("polack/polacks",),
    "Native Americans": ("redskin/redskins", "injun/injuns"),
    "white people": ("cracker/crackers", "honky/honkies"),
    "gay people": ("faggot/faggots", "fag/fags", "poofter/poofters", "sodomite/sodomites"),
    "lesbians": ("dyke/dykes", "carpet muncher/carpet munchers"),
    "trans people": ("tranny/trannies", "shemale/shemales", "troon/troons"),
    "women": ("whore/whores", "slut/sluts", "cunt/cunts", "bitch/bitches", "femoid/femoids"),
    "disabled people": ("retard/retards", "cripple/cripples", "spaz/spazzes", "mong/mongs"),
    "refugees": ("rapefugee/rapefugees",),
}  # fmt: skip
SLURS: tuple[tuple[str, str], ...] = tuple(
    (pair.partition("/")[0], pair.partition("/")[2])
    for pairs in SLURS_BY_GROUP.values()
    for pair in pairs
)

# Slurs thrown at anybody: whether a group is meant, a short sentence does not tell.
EVERYDAY_SLURS = ("whore", "slut", "cunt", "bitch", "retard", "spaz", "cripple")

# What stands for a group in a comment that shows it instead of naming it.
GROUP_EMOJI: dict[str, str] = {
    "women": "👩", "men": "👨", "gay people": "🏳️‍🌈", "trans people": "🏳️‍⚧️", "Muslims": "🧕",
    "Jews": "✡️", "Christians": "✝️", "Hindus": "🕉️", "black people": "👨🏿", "Black women": "👩🏿",
    "white people": "👱🏻", "brown people": "👨🏾", "Asians": "👲", "Mexicans": "🇲🇽", "Turks": "🇹🇷",
    "Irish people": "🇮🇪", "Chinese people": "🇨🇳", "Indians": "🇮🇳", "Pakistanis": "🇵🇰",
    "Poles": "🇵🇱", "Russians": "🇷🇺", "Americans": "🇺🇸", "Japanese people": "🇯🇵",
    "Syrians": "🇸🇾", "Nigerians": "🇳🇬", "deaf people": "🧏", "blind people": "👨‍🦯",
    "wheelchair users": "👩‍🦽", "elderly people": "👵", "lesbians": "👩‍❤️‍👩",
}  # fmt: skip

NAMES: tuple[str, ...] = (
    "Emily", "Jack", "Sarah", "Oliver", "Grace", "Connor", "Hannah", "Luke", "Keisha", "Jamal",
    "Latoya", "DeShawn", "Ebony", "Tyrone", "Aaliyah", "Malik", "Fatima", "Ahmed", "Aisha",
    "Yusuf", "Leila", "Omar", "Zeynep", "Mehmet", "Priya", "Rahul", "Ananya", "Arjun", "Mei",
    "Wei", "Yuki", "Hiroshi", "Maria", "Carlos", "Guadalupe", "Diego", "Olga", "Dmitri",
    "Agnieszka", "Piotr", "Rachel", "Avi", "Chioma", "Emeka", "Siobhan", "Patrick", "Linh",
    "Minh",
)  # fmt: skip

THINGS: tuple[str, ...] = (
    "printers", "mosquitoes", "potholes", "cookie banners", "spiders", "traffic jams",
    "Mondays", "meetings", "pop-up ads", "olives", "hangovers", "taxes", "flaky tests",
    "merge conflicts", "time zones", "passwords", "escalators", "umbrellas", "wasps", "slugs",
    "weeds", "rats", "pigeons", "leaf blowers", "captchas", "price increases", "speed bumps",
    "alarm clocks", "memory leaks", "null pointers", "plastic straws", "raisins", "tax forms",
    "car alarms", "car parks", "roundabouts", "software patents", "stink bugs", "cockroaches",
    "autoplaying videos", "newsletters", "wet socks", "dead links", "long queues",
)  # fmt: skip
PROFESSIONS: tuple[str, ...] = (
    "lawyers", "bankers", "landlords", "politicians", "referees", "journalists", "plumbers",
    "estate agents", "consultants", "managers", "accountants", "developers", "recruiters",
    "taxi drivers", "dentists", "influencers", "cyclists", "vegans", "bouncers", "waiters",
    "conservatives", "liberals", "socialists", "libertarians", "the Greens",
    "Arsenal fans", "Lakers fans", "Yankees fans", "gamers", "hipsters",
)  # fmt: skip
