"""Settings for every test."""

from hypothesis import settings

# A deadline measures the machine's load, not the code: two cores are shared by everything.
settings.register_profile("tocsin", deadline=None)
settings.load_profile("tocsin")
