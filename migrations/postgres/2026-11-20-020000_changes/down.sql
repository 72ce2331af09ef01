DROP TABLE reactions;
DROP TABLE hidden_messages;
