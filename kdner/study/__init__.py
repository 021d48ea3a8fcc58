"""The low-resource study: names of teachers and students, one trial, tables and figures over all of them.

May import the rooms before it: every room but `kdner.on_ray`.
"""
