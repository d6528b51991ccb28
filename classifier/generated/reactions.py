"""Emoji as readers use them most: alone, in rows, behind a few friendly words.

The labelled sets know emoji mainly from hate that was written to deceive, where a monkey or a
flag stands for people; without these rows one laughing face would look like an attack. Emoji of
people and their flags, which that hate is about, stand in every friendly frame.
"""

from collections.abc import Iterator
from itertools import product

FACES = (
    "😀😃😄😁😆😅🤣😂🙂🙃😉😊😇🥰😍🤩😘😗😚😙🥲😋😛😜🤪😝🤑🤗🤭🤫🤔🤐🤨😐😑😶😏😒🙄😬😌😔😪🤤😴😷🤒🤕🤢🤮🤧🥵🥶"
    "🥴😵🤯🤠🥳😎🤓🧐😕😟🙁😮😯😲😳🥺😦😧😨😰😥😢😭😱😖😣😞😓😩😫🥱😤😡😠🤬😈👿💀👻👽🤖💩🤡😺😸😹😻🙈🙉🙊"
)
HANDS = "👍👎👊✊🤛🤜🤞✌🤟🤘👌👈👉👆👇☝✋🤚🖐🖖👋🤙💪🙏👏🙌👐🤝💅👀🧠🤦🤷🙆🙋💁💃🕺🚶🏃"
HEARTS = "❤🧡💛💚💙💜🖤🤍🤎💔💕💞💓💗💖💘💝💯💥💫💦💨🔥✨🌟⭐🎉🎊🎁🎈🎂🏆🥇🎵🎶"
ANIMALS = (
    "🐶🐱🐭🐹🐰🦊🐻🐼🐨🐯🦁🐮🐷🐸🐵🐒🦍🐔🐧🐦🐤🦆🦅🦉🐺🐗🐴🦄🐝🐛🦋"
    "🐌🐞🐜🐢🐍🦎🐙🦑🦐🦀🐡🐠🐟🐬🐳🐋🦈🐊🐘🦛🐪🐄🐎🐖🐑🐐🐕🐈🐓🐇🐀🦝"
)
THINGS = (
    "🌹🌻🌸🌳🌴🍀🍁🌞🌝🌚🌍⚡☔⛄🌊🌈🍎🍌🍉🍇🍓🍑🥑🌶🌽🍞🧀🍔🍟🍕🌮🍣🍜🍩🍪🍫🍿☕🍵🍺🍻🍷🥂⚽🏀🏈🎾🏏"
    "🎮🎯🎲🚗🚀✈🚲🚢🏠⛪🕌🕍🛕⌚📱💻📷🎬📚📝💡💰💎🔑🔒🔔📌✅❌❓❗♻👑👓👗👠💍💄💊🧸🏳🏴🚩"
)
JOINED = (
    "🏳️‍🌈",
    "🏳️‍⚧️",
    "👩‍❤️‍👩",
    "👨‍❤️‍👨",
    "👩‍❤️‍💋‍👨",
    "👨‍👩‍👧",
    "👩‍👩‍👦",
    "👨‍👨‍👧",
    "👩‍💻",
    "👨‍🍳",
    "👩🏿‍🦱",
    "🧕",
    "👳",
    "👲",
    "👮",
    "🧑‍🦽",
    "👴",
    "👵",
    "👶🏽",
    "🤰",
    "👍🏽",
    "👏🏿",
    "🙏🏻",
    "✊🏿",
    "💪🏾",
    "🤦🏽‍♀️",
    "🤷🏼‍♂️",
)
COUNTRIES = (
    "AF AR AU AT BD BE BR BG CA CL CN CO CU CZ DK EG EE FI FR DE GH GR HU IS IN ID IR IQ IE IL IT"
    " JM JP KE KR LB MY MX MA NL NZ NG NO PK PS PE PH PL PT RO RU SA SN RS SG ZA ES LK SE CH SY TH"
    " TR UA AE GB US VN"
)

ALONE = ("{e}", "{e}{e}", "{e}{e}{e}", "{e} {e}", "{e}{o}", "{e}{e}{o}{o}")
FRIENDLY = (
    "{e} lol",
    "haha {e}{e}",
    "Great article {e}",
    "Thanks for sharing {e}",
    "love this {e}{e}",
    "so true {e}",
    "me too {e}",
    "good morning everyone {e}",
    "this made my day {e}{o}",
    "well said {e}",
    "happy birthday! {e}{o}",
    "where did you find it? {e}",
    "can't wait for the next one {e}",
    "we won!!! {e}{e}{e}",
    "{e} is my favourite emoji",
    "same here {e} have a nice weekend",
    "proud of you all {e}{o}",
    "I laughed so hard {e}",
    "greetings from {e}",
    "first comment {e}",
)
HELD_OUT = ("{e} {e}", "haha {e}{e}", "well said {e}", "me too {e}")
"""Frames for evaluation only."""
_FRIENDLY_EACH = 3
"""Friendly frames in which each emoji stands; alone it stands in all."""


def emoji() -> tuple[str, ...]:
    """Every emoji that is used, in a fixed order."""
    flags = ("".join(chr(0x1F1E6 + ord(c) - ord("A")) for c in pair) for pair in COUNTRIES.split())
    single = (*FACES, *HANDS, *HEARTS, *ANIMALS, *THINGS)
    return (*single, *JOINED, *flags)


def rows() -> Iterator[dict[str, str | int]]:
    """Rows with ``text``, ``label`` 0 and ``frame``; the same distinct rows every time."""
    met: set[str] = set()
    for text, frame in _framed():
        if text not in met:
            met.add(text)
            yield {"text": text, "label": 0, "frame": frame}


def _framed() -> Iterator[tuple[str, str]]:
    every = emoji()
    for place, one in enumerate(every):
        other = every[(place * 7 + 13) % len(every)]
        turns = [FRIENDLY[(place + 7 * turn) % len(FRIENDLY)] for turn in range(_FRIENDLY_EACH)]
        for frame in (*ALONE, *turns):
            yield frame.format(e=one, o=other), frame
    for one, frame in product(JOINED, FRIENDLY):
        yield frame.format(e=one, o="❤"), frame
    for one, heart in product(JOINED, HEARTS):
        yield heart + one + heart, "hearts"
