"""Distribution: everything that imports Ray, and only here.

May import every other room; only `jobs/` may import this one.
"""
