CREATE TABLE public.__diesel_schema_migrations (
    version character varying(50) NOT NULL,
    run_on timestamp without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);
CREATE TABLE public.attempts (
    bucket bytea NOT NULL,
    place bigint NOT NULL,
    free_at bigint NOT NULL,
    CONSTRAINT attempts_bucket_check CHECK ((octet_length(bucket) = 32))
);
CREATE TABLE public.blocks (
    user_id bigint NOT NULL,
    blocked_id bigint NOT NULL,
    created_at bigint NOT NULL,
    removed_at bigint,
    me bigint NOT NULL,
    CONSTRAINT blocks_check CHECK ((user_id <> blocked_id))
);
CREATE TABLE public.contacts (
    user_id bigint NOT NULL,
    contact_id bigint NOT NULL,
    created_at bigint NOT NULL,
    removed_at bigint,
    me bigint NOT NULL,
    CONSTRAINT contacts_check CHECK ((user_id <> contact_id))
);
CREATE TABLE public.conversations (
    id bigint NOT NULL,
    kind text NOT NULL,
    title text,
    platform text DEFAULT 'chat'::text NOT NULL,
    user_low bigint,
    user_high bigint,
    created_by bigint NOT NULL,
    client_id text,
    created_at bigint NOT NULL,
    active_at bigint NOT NULL,
    first_seq bigint DEFAULT 1 NOT NULL,
    last_seq bigint DEFAULT 0 NOT NULL,
    rev bigint DEFAULT 0 NOT NULL,
    member_count bigint DEFAULT 0 NOT NULL,
    CONSTRAINT conversations_check CHECK ((user_low < user_high)),
    CONSTRAINT conversations_check1 CHECK (((kind = 'direct'::text) = ((user_low IS NOT NULL) AND (user_high IS NOT NULL)))),
    CONSTRAINT conversations_client_id_check CHECK ((length(client_id) <= 64)),
    CONSTRAINT conversations_kind_check CHECK ((kind = ANY (ARRAY['direct'::text, 'group'::text]))),
    CONSTRAINT conversations_platform_check CHECK ((length(platform) <= 32)),
    CONSTRAINT conversations_title_check CHECK ((length(title) <= 128))
);
ALTER TABLE public.conversations ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.conversations_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.declined_adders (
    user_id bigint NOT NULL,
    adder_id bigint NOT NULL,
    declined_at bigint NOT NULL
);
CREATE TABLE public.hidden_messages (
    user_id bigint NOT NULL,
    message_id bigint NOT NULL,
    me bigint NOT NULL
);
CREATE TABLE public.hub (
    id bigint NOT NULL,
    epoch text NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT hub_id_check CHECK ((id = 1))
);
CREATE TABLE public.hub_runs (
    id bigint NOT NULL,
    nonce text NOT NULL,
    started_at bigint NOT NULL,
    commits bigint DEFAULT 0 NOT NULL,
    CONSTRAINT hub_runs_nonce_check CHECK ((length(nonce) = 32))
);
ALTER TABLE public.hub_runs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.hub_runs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.logins (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    token_hash bytea NOT NULL,
    created_at bigint NOT NULL,
    last_used_at bigint NOT NULL,
    user_agent text,
    ip text,
    CONSTRAINT logins_ip_check CHECK ((length(ip) <= 45)),
    CONSTRAINT logins_user_agent_check CHECK ((length(user_agent) <= 256))
);
ALTER TABLE public.logins ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.logins_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.message_terms (
    message_id bigint NOT NULL,
    terms tsvector NOT NULL
);
CREATE TABLE public.messages (
    id bigint NOT NULL,
    conversation_id bigint NOT NULL,
    seq bigint NOT NULL,
    rev bigint NOT NULL,
    sender_id bigint NOT NULL,
    content text NOT NULL,
    message_type text DEFAULT 'text'::text NOT NULL,
    client_message_id text,
    first_content_hash bytea,
    reply_to_id bigint,
    created_at bigint NOT NULL,
    edited_at bigint,
    deleted_at bigint,
    changed_at bigint,
    CONSTRAINT messages_client_message_id_check CHECK ((length(client_message_id) <= 64)),
    CONSTRAINT messages_message_type_check CHECK ((message_type = ANY (ARRAY['text'::text, 'system'::text, 'image'::text, 'file'::text, 'voice'::text])))
);
ALTER TABLE public.messages ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.messages_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.participants (
    conversation_id bigint NOT NULL,
    user_id bigint NOT NULL,
    role text,
    joined_at bigint NOT NULL,
    has_written boolean DEFAULT false NOT NULL,
    visible_from_seq bigint DEFAULT 1 NOT NULL,
    cleared_seq bigint DEFAULT 0 NOT NULL,
    delivered_seq bigint DEFAULT 0 NOT NULL,
    delivered_at bigint,
    read_seq bigint DEFAULT 0 NOT NULL,
    read_at bigint,
    own_delivered_seq bigint DEFAULT 0 NOT NULL,
    own_read_seq bigint DEFAULT 0 NOT NULL,
    rev bigint NOT NULL,
    me bigint DEFAULT 0 NOT NULL,
    added_by bigint,
    CONSTRAINT participants_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text])))
);
CREATE TABLE public.pending_receipts (
    conversation_id bigint NOT NULL,
    user_id bigint NOT NULL,
    delivered_seq bigint NOT NULL,
    read_seq bigint NOT NULL,
    at bigint NOT NULL
);
CREATE TABLE public.quotas (
    user_id bigint NOT NULL,
    kind text NOT NULL,
    at bigint NOT NULL,
    amount bigint NOT NULL,
    CONSTRAINT quotas_kind_check CHECK ((kind = ANY (ARRAY['groups'::text, 'strangers'::text])))
);
CREATE TABLE public.reactions (
    message_id bigint NOT NULL,
    emoji text NOT NULL,
    user_id bigint NOT NULL,
    rev bigint NOT NULL,
    CONSTRAINT reactions_emoji_check CHECK ((length(emoji) <= 32))
);
CREATE TABLE public.receipt_marks (
    conversation_id bigint NOT NULL,
    user_id bigint NOT NULL,
    kind text NOT NULL,
    seq bigint NOT NULL,
    at bigint NOT NULL,
    CONSTRAINT receipt_marks_kind_check CHECK ((kind = ANY (ARRAY['delivered'::text, 'read'::text])))
);
CREATE TABLE public.receipt_times (
    id bigint NOT NULL,
    kept_from bigint NOT NULL,
    CONSTRAINT receipt_times_id_check CHECK ((id = 1))
);
CREATE TABLE public.reports (
    id bigint NOT NULL,
    reporter_id bigint NOT NULL,
    user_id bigint,
    message_id bigint,
    reason text NOT NULL,
    created_at bigint NOT NULL,
    evidence text,
    CONSTRAINT reports_check CHECK (((user_id IS NULL) <> (message_id IS NULL))),
    CONSTRAINT reports_reason_check CHECK ((length(reason) <= 1000))
);
ALTER TABLE public.reports ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.reports_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.search_progress (
    id bigint NOT NULL,
    version bigint NOT NULL,
    indexed_upto bigint NOT NULL,
    CONSTRAINT search_progress_id_check CHECK ((id = 1))
);
CREATE TABLE public.tickets (
    ticket_hash bytea NOT NULL,
    user_id bigint NOT NULL,
    login_id bigint,
    token_expires_at bigint,
    expires_at bigint NOT NULL
);
CREATE TABLE public.user_words (
    kind bigint NOT NULL,
    word text NOT NULL COLLATE pg_catalog."C",
    user_id bigint NOT NULL,
    CONSTRAINT user_words_kind_check CHECK (((kind >= 0) AND (kind <= 2))),
    CONSTRAINT user_words_word_check CHECK ((length(word) <= 64))
);
CREATE TABLE public.user_words_progress (
    id bigint NOT NULL,
    version bigint NOT NULL,
    filled_upto bigint NOT NULL,
    CONSTRAINT user_words_progress_id_check CHECK ((id = 1))
);
CREATE TABLE public.users (
    id bigint NOT NULL,
    username text NOT NULL,
    username_key text NOT NULL,
    display_name text NOT NULL,
    email text,
    password_hash text,
    external_issuer text,
    external_subject text,
    kind text DEFAULT 'person'::text NOT NULL,
    role text DEFAULT 'user'::text NOT NULL,
    me bigint DEFAULT 0 NOT NULL,
    created_at bigint NOT NULL,
    last_seen_at bigint,
    disabled_at bigint,
    deleted_at bigint,
    group_count bigint DEFAULT 0 NOT NULL,
    groups_due_at bigint,
    CONSTRAINT users_display_name_check CHECK ((length(display_name) <= 64)),
    CONSTRAINT users_email_check CHECK ((length(email) <= 254)),
    CONSTRAINT users_external_issuer_check CHECK ((length(external_issuer) <= 255)),
    CONSTRAINT users_external_subject_check CHECK ((length(external_subject) <= 255)),
    CONSTRAINT users_kind_check CHECK ((kind = ANY (ARRAY['person'::text, 'bot'::text]))),
    CONSTRAINT users_role_check CHECK ((role = ANY (ARRAY['user'::text, 'admin'::text]))),
    CONSTRAINT users_username_check CHECK ((length(username) <= 32)),
    CONSTRAINT users_username_key_check CHECK ((length(username_key) <= 32))
);
ALTER TABLE public.users ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.users_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.write_checks (
    id bigint NOT NULL,
    checked_at bigint NOT NULL,
    CONSTRAINT write_checks_id_check CHECK ((id = 1))
);
INSERT INTO public.__diesel_schema_migrations VALUES ('20261120000000', '2026-11-27 17:12:46.432971');
INSERT INTO public.__diesel_schema_migrations VALUES ('20261120010000', '2026-11-27 17:12:46.467313');
INSERT INTO public.__diesel_schema_migrations VALUES ('20261120020000', '2026-11-27 17:12:46.470465');
INSERT INTO public.__diesel_schema_migrations VALUES ('20261120030000', '2026-11-27 17:12:46.475592');
INSERT INTO public.__diesel_schema_migrations VALUES ('20261120070000', '2026-11-27 17:12:46.480004');
INSERT INTO public.__diesel_schema_migrations VALUES ('20261120080000', '2026-11-27 17:12:46.485926');
INSERT INTO public.__diesel_schema_migrations VALUES ('20261120090000', '2026-11-27 17:12:46.489112');
INSERT INTO public.__diesel_schema_migrations VALUES ('20261126010000', '2026-11-27 17:12:46.491737');
INSERT INTO public.__diesel_schema_migrations VALUES ('20261126020000', '2026-11-27 17:12:46.495214');
INSERT INTO public.__diesel_schema_migrations VALUES ('20261126021000', '2026-11-27 17:12:46.496699');
INSERT INTO public.__diesel_schema_migrations VALUES ('20261126030000', '2026-11-27 17:12:46.505999');
INSERT INTO public.__diesel_schema_migrations VALUES ('20261126031000', '2026-11-27 17:12:46.506885');
INSERT INTO public.__diesel_schema_migrations VALUES ('20261126040000', '2026-11-27 17:12:46.513004');
INSERT INTO public.__diesel_schema_migrations VALUES ('20261126060000', '2026-11-27 17:12:46.514384');
INSERT INTO public.__diesel_schema_migrations VALUES ('20261127010000', '2026-11-27 17:12:46.517558');
INSERT INTO public.conversations OVERRIDING SYSTEM VALUE VALUES (1, 'direct', NULL, 'chat', 1, 2, 1, NULL, 1795799566725, 1795799566725, 1, 1, 2, 2);
INSERT INTO public.hub VALUES (1, 'a8709241dca9caaf6dd5ceca789a189d', 1795799566429);
INSERT INTO public.hub_runs OVERRIDING SYSTEM VALUE VALUES (1, '7edd7fc597b72a37f651a5e7ddcac1c5', 1795799566519, 9);
INSERT INTO public.logins OVERRIDING SYSTEM VALUE VALUES (1, 1, '\x218674290bc6f75fe3d84f27c2f43f6f3d005676a2fbd19feeded260f2bdaa7b', 1795799566675, 1795799566675, 'curl/7.88.1', '127.0.0.1');
INSERT INTO public.logins OVERRIDING SYSTEM VALUE VALUES (2, 2, '\x2a128e3361d70f38d3fc9766be7b143bdc30c41ae8ad3a9e0067d0317eec80ea', 1795799566711, 1795799566711, 'curl/7.88.1', '127.0.0.1');
INSERT INTO public.messages OVERRIDING SYSTEM VALUE VALUES (1, 1, 1, 2, 1, 'hello', 'text', NULL, NULL, NULL, 1795799566725, NULL, NULL, NULL);
INSERT INTO public.participants VALUES (1, 2, 'member', 1795799566725, false, 1, 0, 0, NULL, 0, NULL, 0, 0, 1, 0, NULL);
INSERT INTO public.participants VALUES (1, 1, 'member', 1795799566725, true, 1, 0, 0, NULL, 0, NULL, 0, 0, 1, 0, NULL);
INSERT INTO public.receipt_times VALUES (1, 0);
INSERT INTO public.search_progress VALUES (1, 0, 0);
INSERT INTO public.user_words VALUES (0, 'ann', 1);
INSERT INTO public.user_words VALUES (0, 'bob', 2);
INSERT INTO public.user_words_progress VALUES (1, 2, 9223372036854775807);
INSERT INTO public.users OVERRIDING SYSTEM VALUE VALUES (1, 'ann', 'ann', 'ann', NULL, '$argon2id$v=19$m=19456,t=2,p=1$VLhMSjltHz+rC4hHXyvDSA$oa1z3QliY/h4CO8l6BD4nCEz09+3e3+sLUsHfFQkQpk', NULL, NULL, 'person', 'user', 0, 1795799566675, NULL, NULL, NULL, 0, NULL);
INSERT INTO public.users OVERRIDING SYSTEM VALUE VALUES (2, 'bob', 'bob', 'bob', NULL, '$argon2id$v=19$m=19456,t=2,p=1$Hwvw9VzIMbsqpfi+cUc+QA$vZ+BvFY0DOskzz2j452kVdCQmHdSzLune3/iYz69YEw', NULL, NULL, 'person', 'user', 0, 1795799566711, NULL, NULL, NULL, 0, NULL);
INSERT INTO public.write_checks VALUES (1, 1795799566630);
SELECT pg_catalog.setval('public.conversations_id_seq', 1, true);
SELECT pg_catalog.setval('public.hub_runs_id_seq', 1, true);
SELECT pg_catalog.setval('public.logins_id_seq', 2, true);
SELECT pg_catalog.setval('public.messages_id_seq', 1, true);
SELECT pg_catalog.setval('public.reports_id_seq', 1, false);
SELECT pg_catalog.setval('public.users_id_seq', 2, true);
ALTER TABLE ONLY public.__diesel_schema_migrations
    ADD CONSTRAINT __diesel_schema_migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT attempts_pkey PRIMARY KEY (bucket, place);
ALTER TABLE ONLY public.blocks
    ADD CONSTRAINT blocks_pkey PRIMARY KEY (user_id, blocked_id);
ALTER TABLE ONLY public.contacts
    ADD CONSTRAINT contacts_pkey PRIMARY KEY (user_id, contact_id);
ALTER TABLE ONLY public.conversations
    ADD CONSTRAINT conversations_created_by_client_id_key UNIQUE (created_by, client_id);
ALTER TABLE ONLY public.conversations
    ADD CONSTRAINT conversations_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.conversations
    ADD CONSTRAINT conversations_user_low_user_high_key UNIQUE (user_low, user_high);
ALTER TABLE ONLY public.declined_adders
    ADD CONSTRAINT declined_adders_pkey PRIMARY KEY (user_id, adder_id);
ALTER TABLE ONLY public.hidden_messages
    ADD CONSTRAINT hidden_messages_pkey PRIMARY KEY (user_id, message_id);
ALTER TABLE ONLY public.hub
    ADD CONSTRAINT hub_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.hub_runs
    ADD CONSTRAINT hub_runs_nonce_key UNIQUE (nonce);
ALTER TABLE ONLY public.hub_runs
    ADD CONSTRAINT hub_runs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.logins
    ADD CONSTRAINT logins_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.logins
    ADD CONSTRAINT logins_token_hash_key UNIQUE (token_hash);
ALTER TABLE ONLY public.message_terms
    ADD CONSTRAINT message_terms_pkey PRIMARY KEY (message_id);
ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_conversation_id_seq_key UNIQUE (conversation_id, seq);
ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_sender_id_client_message_id_key UNIQUE (sender_id, client_message_id);
ALTER TABLE ONLY public.participants
    ADD CONSTRAINT participants_pkey PRIMARY KEY (conversation_id, user_id);
ALTER TABLE ONLY public.pending_receipts
    ADD CONSTRAINT pending_receipts_pkey PRIMARY KEY (conversation_id, user_id);
ALTER TABLE ONLY public.quotas
    ADD CONSTRAINT quotas_pkey PRIMARY KEY (user_id, kind, at);
ALTER TABLE ONLY public.reactions
    ADD CONSTRAINT reactions_pkey PRIMARY KEY (message_id, emoji, user_id);
ALTER TABLE ONLY public.receipt_marks
    ADD CONSTRAINT receipt_marks_pkey PRIMARY KEY (conversation_id, user_id, kind, seq);
ALTER TABLE ONLY public.receipt_times
    ADD CONSTRAINT receipt_times_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.reports
    ADD CONSTRAINT reports_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.reports
    ADD CONSTRAINT reports_reporter_id_message_id_key UNIQUE (reporter_id, message_id);
ALTER TABLE ONLY public.reports
    ADD CONSTRAINT reports_reporter_id_user_id_key UNIQUE (reporter_id, user_id);
ALTER TABLE ONLY public.search_progress
    ADD CONSTRAINT search_progress_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.tickets
    ADD CONSTRAINT tickets_pkey PRIMARY KEY (ticket_hash);
ALTER TABLE ONLY public.user_words
    ADD CONSTRAINT user_words_pkey PRIMARY KEY (kind, word, user_id);
ALTER TABLE ONLY public.user_words_progress
    ADD CONSTRAINT user_words_progress_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_external_issuer_external_subject_key UNIQUE (external_issuer, external_subject);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_username_key_key UNIQUE (username_key);
ALTER TABLE ONLY public.write_checks
    ADD CONSTRAINT write_checks_pkey PRIMARY KEY (id);
CREATE INDEX attempts_by_end ON public.attempts USING btree (free_at);
CREATE INDEX blocks_by_blocked ON public.blocks USING btree (blocked_id);
CREATE INDEX blocks_by_me ON public.blocks USING btree (user_id, me);
CREATE INDEX contacts_by_contact ON public.contacts USING btree (contact_id);
CREATE INDEX contacts_by_me ON public.contacts USING btree (user_id, me);
CREATE INDEX hidden_messages_by_me ON public.hidden_messages USING btree (user_id, me);
CREATE INDEX logins_by_user ON public.logins USING btree (user_id);
CREATE INDEX message_terms_by_term ON public.message_terms USING gin (terms);
CREATE INDEX messages_changed ON public.messages USING btree (conversation_id, rev) WHERE (changed_at IS NOT NULL);
CREATE INDEX participants_by_me ON public.participants USING btree (user_id, me);
CREATE INDEX participants_by_rev ON public.participants USING btree (conversation_id, rev);
CREATE INDEX participants_by_user ON public.participants USING btree (user_id, conversation_id);
CREATE INDEX quotas_by_time ON public.quotas USING btree (at);
CREATE INDEX reactions_in_order ON public.reactions USING btree (message_id, emoji, rev);
CREATE INDEX receipt_marks_by_time ON public.receipt_marks USING btree (at);
CREATE INDEX reports_by_reporter ON public.reports USING btree (reporter_id, id);
CREATE INDEX reports_with_evidence ON public.reports USING btree (created_at) WHERE (evidence IS NOT NULL);
CREATE INDEX tickets_by_expiry ON public.tickets USING btree (expires_at);
CREATE INDEX user_words_by_user ON public.user_words USING btree (user_id, word, kind);
CREATE INDEX users_with_groups_due ON public.users USING btree (groups_due_at) WHERE (groups_due_at IS NOT NULL);
ALTER TABLE ONLY public.blocks
    ADD CONSTRAINT blocks_blocked_id_fkey FOREIGN KEY (blocked_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.blocks
    ADD CONSTRAINT blocks_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.contacts
    ADD CONSTRAINT contacts_contact_id_fkey FOREIGN KEY (contact_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.contacts
    ADD CONSTRAINT contacts_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.conversations
    ADD CONSTRAINT conversations_created_by_fkey FOREIGN KEY (created_by) REFERENCES public.users(id);
ALTER TABLE ONLY public.conversations
    ADD CONSTRAINT conversations_user_high_fkey FOREIGN KEY (user_high) REFERENCES public.users(id);
ALTER TABLE ONLY public.conversations
    ADD CONSTRAINT conversations_user_low_fkey FOREIGN KEY (user_low) REFERENCES public.users(id);
ALTER TABLE ONLY public.declined_adders
    ADD CONSTRAINT declined_adders_adder_id_fkey FOREIGN KEY (adder_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.declined_adders
    ADD CONSTRAINT declined_adders_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.hidden_messages
    ADD CONSTRAINT hidden_messages_message_id_fkey FOREIGN KEY (message_id) REFERENCES public.messages(id);
ALTER TABLE ONLY public.hidden_messages
    ADD CONSTRAINT hidden_messages_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.logins
    ADD CONSTRAINT logins_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.message_terms
    ADD CONSTRAINT message_terms_message_id_fkey FOREIGN KEY (message_id) REFERENCES public.messages(id);
ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES public.conversations(id);
ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_reply_to_id_fkey FOREIGN KEY (reply_to_id) REFERENCES public.messages(id);
ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_sender_id_fkey FOREIGN KEY (sender_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.participants
    ADD CONSTRAINT participants_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES public.conversations(id);
ALTER TABLE ONLY public.participants
    ADD CONSTRAINT participants_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.pending_receipts
    ADD CONSTRAINT pending_receipts_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES public.conversations(id);
ALTER TABLE ONLY public.pending_receipts
    ADD CONSTRAINT pending_receipts_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.quotas
    ADD CONSTRAINT quotas_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.reactions
    ADD CONSTRAINT reactions_message_id_fkey FOREIGN KEY (message_id) REFERENCES public.messages(id);
ALTER TABLE ONLY public.reactions
    ADD CONSTRAINT reactions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.receipt_marks
    ADD CONSTRAINT receipt_marks_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES public.conversations(id);
ALTER TABLE ONLY public.receipt_marks
    ADD CONSTRAINT receipt_marks_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.reports
    ADD CONSTRAINT reports_message_id_fkey FOREIGN KEY (message_id) REFERENCES public.messages(id);
ALTER TABLE ONLY public.reports
    ADD CONSTRAINT reports_reporter_id_fkey FOREIGN KEY (reporter_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.reports
    ADD CONSTRAINT reports_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.tickets
    ADD CONSTRAINT tickets_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.user_words
    ADD CONSTRAINT user_words_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
