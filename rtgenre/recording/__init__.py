"""Reading what was recorded: ``reader`` reads, ``timeline`` dates, ``setlist``, ``picture`` and ``replay`` use it."""
