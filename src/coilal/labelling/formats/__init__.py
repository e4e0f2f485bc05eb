"""Formats by which labels go to other tools and come back: plain data in, plain data out, no session.

In: images that are asked for, finished labels, files that people or tools have filled in.
Out: tables, tasks, exports and a page of thumbnails; answers by image name (``answers.read``).
"""
