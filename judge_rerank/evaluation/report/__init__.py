"""What a run found, for people and for other programs: a page, tables, TREC runs."""
