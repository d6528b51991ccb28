"""Other systems' files, read as comments: one file per format, and nothing foreign leaves it.

A format (`formats`) *reads* raw records from an opened file, in constant memory where the file can
be streamed, and *shapes* one of them into a `Found` or a reason to skip it. `source` numbers them
and goes on behind an earlier stop; `mend` makes a `Found` fit the rules without losing it.
"""
