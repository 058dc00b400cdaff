"""The memory agent: from recorded turns to memories."""
