"""Backups of the embedded server's data: taking, listing, trying and restoring them.

A backup is a folder that lies under its own name only once it is whole: `backup.json` (the sheet:
what is in it, with a SHA-256 of every file), `backup.sha256` (of the sheet itself), and the files
of a data folder: `epoch`, `secret` (unless left out), `erasures.jsonl`, `models/`, and
`redis/appendonlydir/`, cut behind a whole command.
"""
