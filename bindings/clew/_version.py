"""The version of Clew, in one place: the build and the packages read it from here."""

__version__ = "0.1.0"
