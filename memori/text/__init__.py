"""One analyser for every database: normalising, tokens, stop words, token counts, dates."""
