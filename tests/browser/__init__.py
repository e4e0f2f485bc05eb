"""The labelling page in a real browser, the Chromium of the system."""
