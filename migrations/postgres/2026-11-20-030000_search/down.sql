DROP TABLE message_terms;
DROP TABLE search_progress;
