"""The comment form and thread as websites embed them, and the demo article."""
