"""From files to checked samples, splits and decoded images.

In: a folder of images, perhaps a table. Out: names, groups, labels, parts, images; or every problem, listed.
"""
