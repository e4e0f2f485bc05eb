"""The labelling page: what a person sees in the browser, and the HTTP interface that it and programs use.

``app.build`` puts a desk (``coilal.labelling.contract.Desk``) on the web, ``server.serve`` serves it. They touch no
file of the run: images come from the desk by number, answers go to it.
"""
