"""The moderators' pages: server-rendered, no build step; every button works without a script.

`pages` lists all routes. `door` says who is signed in and whether a form is ours, `face` how pages
and failures look, `room` what one page at one site needs. The queue is in `queue_*` and `cards`;
every other page is a file of its own (`policy`, `bans`, `webhooks`, `keys`, `model`, `ops`,
`moderators`, `account`, `signing_in`), with what it needs beside it: `policy_form`, `policy_lines`,
`charts`, `markdown`.
"""
