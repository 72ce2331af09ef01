//! The tables as Diesel sees them. `migrations/` creates them.

diesel::table! {
    hub (id) {
        id -> BigInt,
        epoch -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    hub_runs (id) {
        id -> BigInt,
        nonce -> Text,
        started_at -> BigInt,
        commits -> BigInt,
    }
}

diesel::table! {
    users (id) {
        id -> BigInt,
        username -> Text,
        username_key -> Text,
        display_name -> Text,
        email -> Nullable<Text>,
        avatar_url -> Nullable<Text>,
        password_hash -> Nullable<Text>,
        external_issuer -> Nullable<Text>,
        external_subject -> Nullable<Text>,
        kind -> Text,
        role -> Text,
        metadata -> Nullable<Text>,
        me -> BigInt,
        created_at -> BigInt,
        updated_at -> Nullable<BigInt>,
        tokens_valid_from -> Nullable<BigInt>,
        last_seen_at -> Nullable<BigInt>,
        disabled_at -> Nullable<BigInt>,
        deleted_at -> Nullable<BigInt>,
        group_count -> BigInt,
        groups_due_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    user_words (kind, word, user_id) {
        kind -> BigInt,
        word -> Text,
        user_id -> BigInt,
    }
}

diesel::table! {
    user_words_progress (id) {
        id -> BigInt,
        version -> BigInt,
        filled_upto -> BigInt,
    }
}

diesel::table! {
    logins (id) {
        id -> BigInt,
        user_id -> BigInt,
        token_hash -> Binary,
        created_at -> BigInt,
        last_used_at -> BigInt,
        user_agent -> Nullable<Text>,
        ip -> Nullable<Text>,
    }
}

diesel::table! {
    declined_adders (user_id, adder_id) {
        user_id -> BigInt,
        adder_id -> BigInt,
        declined_at -> BigInt,
    }
}

diesel::table! {
    quotas (user_id, kind, at) {
        user_id -> BigInt,
        kind -> Text,
        at -> BigInt,
        amount -> BigInt,
    }
}

diesel::table! {
    attempts (bucket, place) {
        bucket -> Binary,
        place -> BigInt,
        free_at -> BigInt,
    }
}

diesel::table! {
    conversations (id) {
        id -> BigInt,
        kind -> Text,
        title -> Nullable<Text>,
        platform -> Text,
        external_id -> Nullable<Text>,
        metadata -> Nullable<Text>,
        writing -> Text,
        user_low -> Nullable<BigInt>,
        user_high -> Nullable<BigInt>,
        created_by -> BigInt,
        client_id -> Nullable<Text>,
        created_at -> BigInt,
        active_at -> BigInt,
        last_seq -> BigInt,
        rev -> BigInt,
        member_count -> BigInt,
    }
}

diesel::table! {
    participants (conversation_id, user_id) {
        conversation_id -> BigInt,
        user_id -> BigInt,
        role -> Nullable<Text>,
        joined_at -> BigInt,
        has_written -> Bool,
        visible_from_seq -> BigInt,
        cleared_seq -> BigInt,
        delivered_seq -> BigInt,
        read_seq -> BigInt,
        own_delivered_seq -> BigInt,
        own_read_seq -> BigInt,
        rev -> BigInt,
        me -> BigInt,
        added_by -> Nullable<BigInt>,
    }
}

diesel::table! {
    messages (id) {
        id -> BigInt,
        conversation_id -> BigInt,
        seq -> BigInt,
        rev -> BigInt,
        sender_id -> BigInt,
        content -> Text,
        message_type -> Text,
        format -> Nullable<Text>,
        extras -> BigInt,
        client_message_id -> Nullable<Text>,
        first_content_hash -> Nullable<Binary>,
        reply_to_id -> Nullable<BigInt>,
        created_at -> BigInt,
        edited_at -> Nullable<BigInt>,
        deleted_at -> Nullable<BigInt>,
        changed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    blocks (user_id, blocked_id) {
        user_id -> BigInt,
        blocked_id -> BigInt,
        created_at -> BigInt,
        removed_at -> Nullable<BigInt>,
        me -> BigInt,
    }
}

diesel::table! {
    contacts (user_id, contact_id) {
        user_id -> BigInt,
        contact_id -> BigInt,
        created_at -> BigInt,
        removed_at -> Nullable<BigInt>,
        me -> BigInt,
    }
}

diesel::table! {
    pending_receipts (conversation_id, user_id) {
        conversation_id -> BigInt,
        user_id -> BigInt,
        delivered_seq -> BigInt,
        read_seq -> BigInt,
        at -> BigInt,
    }
}

diesel::table! {
    receipt_times (id) {
        id -> BigInt,
        kept_from -> BigInt,
    }
}

diesel::table! {
    receipt_marks (conversation_id, user_id, kind, seq) {
        conversation_id -> BigInt,
        user_id -> BigInt,
        kind -> Text,
        seq -> BigInt,
        at -> BigInt,
    }
}

diesel::table! {
    hidden_messages (user_id, message_id) {
        user_id -> BigInt,
        conversation_id -> BigInt,
        message_id -> BigInt,
        me -> BigInt,
    }
}

diesel::table! {
    reactions (message_id, emoji, user_id) {
        conversation_id -> BigInt,
        message_id -> BigInt,
        emoji -> Text,
        user_id -> BigInt,
        rev -> BigInt,
    }
}

diesel::table! {
    reports (id) {
        id -> BigInt,
        reporter_id -> BigInt,
        user_id -> Nullable<BigInt>,
        message_id -> Nullable<BigInt>,
        reason -> Text,
        created_at -> BigInt,
        evidence -> Nullable<Text>,
    }
}

diesel::table! {
    revocations (id) {
        id -> BigInt,
        user_id -> BigInt,
        login_id -> Nullable<BigInt>,
    }
}

diesel::table! {
    tickets (ticket_hash) {
        ticket_hash -> Binary,
        user_id -> BigInt,
        login_id -> Nullable<BigInt>,
        token_expires_at -> Nullable<BigInt>,
        expires_at -> BigInt,
    }
}

diesel::table! {
    search_progress (id) {
        id -> BigInt,
        version -> BigInt,
        indexed_upto -> BigInt,
    }
}

diesel::table! {
    write_checks (id) {
        id -> BigInt,
        checked_at -> BigInt,
    }
}

diesel::joinable!(logins -> users (user_id));
diesel::joinable!(messages -> conversations (conversation_id));
diesel::joinable!(participants -> conversations (conversation_id));
diesel::joinable!(participants -> users (user_id));

diesel::allow_tables_to_appear_in_same_query!(
    users,
    user_words,
    logins,
    revocations,
    conversations,
    participants,
    messages,
    blocks,
    contacts,
    hidden_messages,
    reactions,
    receipt_marks,
    receipt_times
);
