"""What the public tier was ever told, and which of what came since it may be told next.

`store` keeps the entries and needs no database: whether there is nothing to do is decided without loading one.
"""
