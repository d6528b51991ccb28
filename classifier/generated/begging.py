"""Comments that beg for likes, subscribers or views, or lure with gifts, often without a link.

The labelled spam is mostly that of blogs, which holds a link or a shop's name; under videos and
posts spam asks for a click, or promises coins to a few. Each kind stands beside comments that use
the same words and want nothing: without those "subscribe" and "like" would be spam by themselves.
"""

import random
from collections.abc import Iterator
from typing import Final

_WORDS: Final = {
    "clicks": ("like", "thumbs up", "upvote", "a like", "a thumbs up", "some love", "hearts"),
    "deed": (
        "like this comment", "thumbs this up", "thumbs up", "give this a like", "like this",
        "upvote this", "leave a like", "give it a thumbs up", "drop a like", "smash that like",
        "hit like", "comment and like", "share this",
    ),
    "who": (
        "you are watching in {year}", "ur watching this in {year}", "you still listen to this",
        "your favourite part is the end", "you love your mom", "u agree", "you agree with me",
        "you are on your phone", "you came here from {site}", "you hate mondays",
        "you think this is better than {thing}", "you miss the old days", "you are under 18",
        "you saw this before it was famous", "you are bored", "you still watch it in {year}",
    ),
    "year": ("2012", "2014", "2015", "2017", "2019", "2021", "2024", "2026", "3000"),
    "site": ("tiktok", "reddit", "facebook", "the movie", "the game", "twitter", "school"),
    "thing": ("the new one", "justin bieber", "gangnam style", "pop music", "school", "football"),
    "place": (
        "channel", "page", "profile", "youtube channel", "instagram", "soundcloud", "mixtape",
        "new song", "latest video", "cover of this song", "first video", "music", "twitch",
        "facebook page", "remix", "vlog", "blog", "stream", "band", "gaming channel", "beats",
    ),
    "act": (
        "check out my", "please check out my", "come check out my", "visit my", "subscribe to my",
        "go and watch my", "please listen to my", "follow my", "take a look at my",
        "have a look at my", "pls sub to my", "guys please support my", "everyone come and see my",
        "give a chance to my",
    ),
    "plea": (
        "it would mean a lot", "I'm just a small creator", "I promise you won't regret it",
        "I will sub back", "sub for sub", "we are a small band from {town}",
        "i need only {few} more", "please don't scroll past", "you won't be disappointed",
        "it only takes a second", "just give it a chance", "help me reach {many} subscribers",
        "thanks in advance", "god bless", "i know you will hate this kind of comment",
        "sorry for the spam but", "no hate please",
    ),
    "town": ("Ohio", "London", "Brazil", "a little village", "Texas", "Oslo"),
    "few": ("10", "50", "100", "5"),
    "many": ("100", "500", "1000", "1k", "10k"),
    "coin": ("BTC", "ETH", "SOL", "bitcoin", "USDT", "XRP", "DOGE", "crypto"),
    "prize": (
        "$500", "$1000", "1 {coin}", "5 {coin}", "an iPhone", "a PS5", "a gift card", "0.5 {coin}",
        "$250 in {coin}", "free {coin}", "a new laptop", "10,000 $",
    ),
    "folk": ("10 people", "one lucky person", "the first 100", "20 random followers", "5 winners"),
    "task": (
        "like and retweet", "follow me and comment done", "drop your wallet", "tag three friends",
        "join the telegram", "send me a DM", "comment your address", "RT and follow",
        "like & share", "text me on whatsapp", "fill in the form in my bio",
        "register before midnight",
    ),
    "gain": (
        "I make {pay} a week working from home", "I earned {pay} in my first month",
        "my neighbour's sister makes {pay} an hour on the computer",
        "I turned $200 into {pay} with my trader", "I quit my job and now earn {pay} online",
    ),
    "pay": ("$6000", "$9k", "$75", "3,500 dollars", "$12,400"),
    "guide": (
        "ask me how", "details on my profile", "contact the expert who helped me on telegram",
        "google the rest, it works", "message me for the link", "all thanks to my coach",
        "this is the website I used", "thank me later",
    ),
}  # fmt: skip

BEGGING: Final = (
    "{deed} if {who}",
    "{Deed} if {who}!!!",
    "{deed} if {who} :)",
    "can I get {clicks} for no reason",
    "how many {clicks} can this comment get",
    "let's see how many {clicks} I get, please",
    "{clicks} if {who}, {deed}",
    "{act} {place}",
    "{Act} {place}!",
    "{act} {place}, {plea}",
    "{plea}, {act} {place}",
    "hey guys, {act} {place}. {plea} :)",
    "Nice video! {Act} {place} too",
    "love this song, {act} {place}, {plea}",
    "{plea}. {plea}. {act} {place}",
    "sub to me and I'll sub to you, {plea}",
    "I'm giving away {prize} to {folk}. {task}!",
    "As promised, I will send {prize} to {folk}: {task} and {task}",
    "GIVEAWAY: {prize} for {folk}, {task} to enter",
    "want {prize}? {task} now, only for {folk}",
    "airdrop is live, claim {prize} today, {task}",
    "{gain}. {guide}",
    "{gain}, {guide}!",
)
INNOCENT: Final = (
    "I like this comment, well said",
    "I really like this {thing} video",
    "who else is watching this in {year}?",
    "I am watching this in {year} and it is still great",
    "I watch it on {site} sometimes",
    "thumbs up from me, nice work",
    "this made me subscribe, thank you",
    "I subscribed to your {place} last year",
    "I found your {place} by chance and I like it",
    "your {place} deserves more views",
    "is there a {place} where I can hear more of you?",
    "how do I subscribe to new posts by e-mail?",
    "do you still post on your {place}?",
    "this {place} is my favourite since {year}",
    "I checked out the {place} you mentioned, it is good",
    "please check the second paragraph, there is a typo",
    "please have a look at the log, the error comes from line {few}",
    "I gave it a like on {site}",
    "the number of likes says little about {thing}",
    "{coin} fell again this week, what do you think?",
    "I lost money with {coin} in {year}, never again",
    "the price of {coin} in {year} was absurd",
    "I won {prize} at school once, in {year}",
    "they paid me {pay} for that work and it took a month",
    "my sister makes {pay} as a nurse in {town}",
    "I work from home since {year} and it is fine",
    "best song of {year}",
    "greetings from {town}, still listening in {year}",
    "only {few} people in {town} know this song",
    "we sent {few} people to {town} to help",
)
HELD_OUT: Final = tuple(str(n) for n in range(2, len(BEGGING) + len(INNOCENT), 5))
"""Numbers of the frames for evaluation only."""
_BEGGING_EACH, _INNOCENT_EACH = 90, 60
_TRIES = 8  # for each row, since some frames have few fillings


def rows(seed: int = 0) -> Iterator[dict[str, str | int]]:
    """Rows with ``text``, ``label`` (1 for begging) and ``frame``; distinct, same for a seed."""
    draw, met = random.Random(seed), set[str]()  # noqa: S311 - reproducible, not secret
    for number, frame in enumerate((*BEGGING, *INNOCENT)):
        begging = number < len(BEGGING)
        wanted = _BEGGING_EACH if begging else _INNOCENT_EACH
        texts = (_cased(_filled(frame, draw), draw) for _ in range(wanted * _TRIES))
        for text in dict.fromkeys(texts):
            if wanted and text not in met:
                met.add(text)
                wanted -= 1
                yield {"text": text, "label": int(begging), "frame": str(number)}


def _filled(frame: str, draw: random.Random) -> str:
    """The frame with a word in each gap; a gap in capitals wants a capital letter."""
    while "{" in frame:
        before, _, rest = frame.partition("{")
        name, _, after = rest.partition("}")
        word = draw.choice(_WORDS[name.lower()])
        if name[0].isupper():
            word = word[0].upper() + word[1:]
        frame = before + word + after
    return frame


def _cased(text: str, draw: random.Random) -> str:
    """As people type: mostly as it is, sometimes all small, sometimes all in capitals."""
    turn = draw.random()
    if turn < 0.25:
        return text.lower()
    return text.upper() if turn < 0.35 else text
