"""Patterns that a look and its sign share, written so that ``re`` and RE2 read them alike."""

from typing import Final

MESSENGERS: Final = r"whats|telegram|wechat|weixin|viber|kik|skype|icq|line id|t\.me|wa\.me"
"""Of which one stands in every account to write to; in lower case."""

PRAISE: Final = (
    r"(?:great|nice|good|awesome|amazing|excellent|wonderful|fantastic|superb|informative|useful)"
    r" (?:post|article|blog|site|web ?site|info|information|content|work|share|sharing|write-?up)"
    r"|thanks? (?:you )?(?:so much )?for (?:sharing|the (?:great|nice|useful) )"
    r"|keep (?:it up|up the good work|sharing|posting)|i (?:really )?(?:enjoyed?|like[ds]?|loved?)"
    r" (?:reading )?(?:your|this) (?:post|article|blog|site)|visit my|check (?:out )?my"
    r"|i have bookmarked|i will (?:definitely )?(?:be back|come back|share)|hello there"
)
"""What is said of any page; in lower case."""
