"""The API's description for people: one page, rendered here, that loads nothing."""
