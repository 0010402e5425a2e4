"""The rows of the catalog, by NetBox's apps: of each type what NetBox's schema cannot tell."""
