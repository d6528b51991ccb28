"""Words that fill the open places of the sentences: kind and hostile in like numbers.

A place is written ``{good}`` or ``{bad}``; a digit after it (``{bad2}``) asks for another
word from the same list.
"""

WORDS: dict[str, tuple[str, ...]] = {
    "good": (
        "kind", "honest", "brave", "clever", "lovely", "gentle", "generous", "funny",
        "friendly", "wonderful", "great", "helpful", "smart", "brilliant", "patient",
        "thoughtful", "creative", "decent", "loyal", "polite", "cheerful", "talented",
        "beautiful", "amazing", "excellent", "charming", "warm", "respectful", "reliable",
        "hardworking", "nice", "cool", "fun", "inspiring", "strong", "awesome", "fantastic",
        "good", "considerate", "caring", "wise", "witty", "skilled", "peaceful", "humble",
        "successful", "sweet", "likeable", "magnificent", "optimistic", "splendid", "innovative",
    ),
    "plain": (
        "tall", "tired", "busy", "quiet", "hungry", "curious", "retired", "local", "married",
        "nervous", "new", "late", "famous", "rich", "ordinary", "average", "shy", "serious",
        "unemployed", "self-employed", "sleepy", "bilingual", "urban", "different", "normal",
    ),
    "bad": (
        "disgusting", "stupid", "filthy", "worthless", "vile", "repulsive", "pathetic",
        "dirty", "ugly", "lazy", "evil", "dumb", "idiotic", "inferior", "gross", "greedy",
        "moronic", "horrible", "nasty", "despicable", "revolting", "useless", "hideous",
        "contemptible", "crooked", "deceitful", "immoral", "savage", "primitive", "hateful",
        "depraved", "rotten", "wicked", "loathsome", "subhuman", "sickening", "vulgar",
        "cowardly", "brainless", "terrible", "awful", "dreadful", "lousy", "shameful",
        "corrupt", "perverted", "abominable", "detestable", "abhorrent", "fraudulent",
        "ignorant", "clueless",
    ),
    "goodnoun": (
        "friend", "neighbour", "hero", "colleague", "teacher", "role model", "gem", "star",
        "gentle soul", "good listener", "legend", "leader", "genius", "treasure", "blessing",
        "delight", "true friend", "great cook", "fine engineer", "champion",
    ),
    "badnoun": (
        "idiot", "moron", "loser", "parasite", "scumbag", "pig", "rat", "piece of trash",
        "waste of space", "fool", "liar", "creep", "coward", "imbecile", "clown", "cretin",
        "dumbass", "asshole", "piece of shit", "disgrace", "degenerate", "freak", "lowlife",
        "halfwit", "dimwit", "snake", "bastard", "jerk", "scum", "leech", "douchebag",
        "nitwit", "twat", "prick", "wanker", "dickhead", "shithead", "muppet", "tosser",
    ),
    "badplural": (
        "idiots", "morons", "parasites", "scumbags", "pigs", "rats", "criminals", "thieves",
        "liars", "creeps", "savages", "animals", "cockroaches", "degenerates", "freaks",
        "rapists", "terrorists", "leeches", "perverts", "monsters", "losers", "scum", "trash",
        "vermin", "garbage", "filth", "lowlifes", "halfwits", "maggots", "monkeys",
    ),
    "goodplural": (
        "neighbours", "friends", "heroes", "artists", "good parents", "role models", "citizens",
        "great cooks", "scientists", "colleagues", "good people", "family", "builders",
        "volunteers", "human beings", "equals", "poets", "leaders", "wonderful hosts",
        "thinkers", "nurses", "teachers", "neighbours of mine", "partners", "champions",
        "musicians", "winners", "voters", "athletes", "fine people",
    ),
    "goodverb": (
        "love", "admire", "respect", "support", "welcome", "appreciate", "celebrate", "trust",
        "thank", "like", "hug", "protect", "value", "applaud", "cherish", "defend", "adore",
        "help", "include", "listen to", "hire", "believe",
    ),
    "badverb": (
        "hate", "despise", "loathe", "detest", "spit on", "abhor", "want to hurt", "can't stand",
        "look down on", "have nothing but contempt for", "resent", "absolutely hate",
        "wish death on", "want to get rid of", "curse",
    ),
    "order": (
        "deport", "kill", "shoot", "hang", "gas", "ban", "exterminate", "burn", "lock up",
        "drown", "beat up", "crush", "get rid of", "stab", "lynch", "purge", "eradicate",
    ),
    "invite": (
        "hug", "support", "welcome", "hire", "celebrate", "thank", "protect", "respect",
        "listen to", "include", "feed", "help", "invite", "trust", "defend", "cheer for",
    ),
    "swear": ("fucking", "goddamn", "bloody", "damn", "motherfucking", "shitty", "fuckin",
              "fcking", "freaking"),
    "place": (
        "my street", "our village", "the office", "my class", "the choir", "this city",
        "the team", "our building", "the market", "the hospital", "my gym", "the library",
        "our school", "the factory", "my family", "the forum",
    ),
    "job": (
        "doctor", "writer", "teacher", "baker", "nurse", "developer", "singer", "plumber",
        "judge", "student", "pilot", "farmer", "chef", "photographer", "engineer", "bus driver",
        "gardener", "musician", "librarian", "carpenter", "police officer", "actor",
    ),
    "relative": (
        "sister", "cousin", "flatmate", "boss", "best friend", "uncle", "partner", "teacher",
        "neighbour", "colleague", "doctor", "grandmother", "son", "coach", "boyfriend", "aunt",
    ),
    "topic": (
        "the budget", "the new bridge", "school lunches", "housing", "the election", "climate",
        "the referee", "sourdough", "the bus timetable", "type hints", "garden fences",
        "the last episode", "chess", "the recipe", "health insurance", "the update",
        "cycle lanes", "the refactoring", "the trade deal", "the transfer window",
    ),
    "thing": (),  # filled from groups.THINGS
    "profession": (),  # filled from groups.PROFESSIONS
    "name": (),  # filled from groups.NAMES
    "hostile": ("🤮", "🖕", "💩", "🤢", "🗑️", "😡", "🐀", "🐖", "🐒", "🪳", "👎", "🤡", "🐍", "🐷"),
    "weapon": ("🔫", "🔪", "💣", "🪓", "⚰️", "☠️", "💀", "🔨", "🔥"),
    "joy": ("❤️", "😍", "🥰", "👏", "💪", "🎉", "😊", "🙏", "👍", "🤗", "🌈", "✨", "💯", "🙌"),
    "beast": ("🐀", "🐖", "🐒", "🪳", "🐍", "🐷", "🐕", "🐛", "🦠", "🐐"),
}  # fmt: skip
