"""Is picking worth it? The loop of labelling, replayed with the truth hidden.

``settings`` is what is asked for, ``replay`` how one loop is replayed, ``complete`` the whole way
to a finished folder.
"""
