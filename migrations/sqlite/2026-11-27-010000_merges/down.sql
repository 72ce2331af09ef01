INSERT INTO message_terms (message_terms, rank) VALUES ('automerge', 4);
