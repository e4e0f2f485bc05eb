"""Labelling by people: the desk that asks and is told, the page over it, and the tables of other tools.

In: the data of a run, and answers of people: keys on a page, tables, exports of labelling tools.
Out: the session of a run, which learns as ``runs`` has it; label tables for other tools.
"""
