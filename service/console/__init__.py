"""The moderators' pages: server-rendered, no build step; every button works without a script.

`pages` are the routes, `door` says who is signed in and whether a form is ours, `cards` is what a
moderator sees of a comment.
"""
