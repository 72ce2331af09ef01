-- The hub merges the pieces of the index a few pages at a time. Left to itself,
-- SQLite merges hundreds in the transaction that happens to be the one too many.
INSERT INTO message_terms (message_terms, rank) VALUES ('automerge', 0);
