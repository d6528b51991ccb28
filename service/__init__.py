"""Winnow, a self-hosted comment-moderation service.

A comment's journey, file by file: `api/comments` receives it, `pipeline/submit` carries it through
`pipeline/validate` (is it well formed?), `pipeline/score` (what does the classifier say?),
`pipeline/decide` (what does the site's policy conclude?) and `store/comments` (one Lua script
writes comment, queue, history and event at once). Moderators meet it through `pipeline/enqueue` and
`pipeline/review`; readers see it through `pipeline/publish`.
"""

__version__ = "0.1.0"
