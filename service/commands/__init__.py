"""The commands of `winnow`, one file per group; `service.cli` only registers them.

What a command needs is imported when it runs, so that `winnow --help` answers at once.
"""
