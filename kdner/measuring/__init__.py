"""Quality, speed and size of models, what a run will take, and how they are shown.

May import `kdner.teacher` and what that may.
"""
