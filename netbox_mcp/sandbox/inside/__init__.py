"""Programs that run under NetBox's own Python, not ours.

They are started by path from its virtual environment, import nothing of this
project, and only import NetBox and what comes with it.
"""
