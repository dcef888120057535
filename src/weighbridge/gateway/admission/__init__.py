"""Who may call what, how often and for how much: virtual keys, limits and budgets.

`now` is everywhere seconds since 1970 in UTC (`time.time()`), passed in by the caller.
"""
