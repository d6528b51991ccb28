"""The path a comment takes: submit → validate → score → decide → enqueue → review → publish.

`validate`, `decide` and `enqueue` are pure; `submit` and `review` write through the store, each
with one script per change.
"""
