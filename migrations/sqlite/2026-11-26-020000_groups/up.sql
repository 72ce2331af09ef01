-- How many people are in a conversation, and in how many groups a person is:
-- kept with every change of who is in what, so that nobody counts rows.
ALTER TABLE conversations ADD COLUMN member_count BIGINT NOT NULL DEFAULT 0;
UPDATE conversations SET member_count =
    (SELECT count(*) FROM participants WHERE conversation_id = conversations.id AND role IS NOT NULL);
ALTER TABLE users ADD COLUMN group_count BIGINT NOT NULL DEFAULT 0;
UPDATE users SET group_count =
    (SELECT count(*) FROM participants JOIN conversations ON conversations.id = participants.conversation_id
     WHERE user_id = users.id AND participants.role IS NOT NULL AND kind = 'group');
