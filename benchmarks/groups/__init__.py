"""The groups of cases. A module here that defines GROUP is found by itself."""
