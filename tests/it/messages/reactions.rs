//! Reactions: how participants see them, and the definition of one emoji.

use crate::harness::{Group, TestHub, Transport, User, both_databases, kinds, percent_encoded, refused_on_both};
use serde_json::{Value, json};

fn react(message: &Value, emoji: &str, on: bool) -> Value {
    json!({"message_id": message["id"], "emoji": emoji, "on": on})
}

async fn message(user: &User, id: &Value) -> Value {
    user.get(&format!("/api/messages/{id}")).await.ok()["message"].clone()
}

both_databases!(adding_and_removing_a_reaction_notifies_every_device);
async fn adding_and_removing_a_reaction_notifies_every_device(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let sent = ann.send_rest(&bob, "hi").await;
    let id = sent["conversation_id"].as_i64().unwrap();
    let unread = bob.get("/api/unread").await.ok();
    for mut transport in Transport::both(&bob).await {
        let (mut laptop, mut tablet) = (ann.connect().await, bob.log_in_again().await.connect().await);
        for (on, reactions) in [(true, json!([{"emoji": "👍", "count": 1, "user_ids": [bob.id]}])), (false, json!([]))]
        {
            let rev = ann.conversation(id).await["rev"].as_i64().unwrap();
            let changed = transport.ok("react", react(&sent, "👍", on)).await["message"].clone();
            let mut expected = sent.clone();
            (expected["reactions"], expected["rev"]) = (reactions, json!(rev + 1));
            assert_eq!(changed, expected, "the rest is as it was");
            for socket in [&mut laptop, &mut tablet] {
                let mut frame = socket.next().await;
                frame.as_object_mut().unwrap().remove("timestamp");
                let expected = json!({"type": "message_reaction", "conversation_id": id, "rev": rev + 1,
                    "message": changed, "emoji": "👍", "user_id": bob.id, "on": on});
                assert_eq!(frame, expected);
            }
            assert_eq!(transport.ok("react", react(&sent, "👍", on)).await["message"], changed, "twice is once");
            laptop.expect_silence().await;
            tablet.expect_silence().await;
            for user in [&ann, &bob] {
                assert_eq!(message(user, &sent["id"]).await, changed);
                assert_eq!(user.history(id, "").await["messages"], json!([changed]));
                assert_eq!(user.conversations().await[0]["last_message"], changed);
                let answer = user.post("/api/sync", json!({"conversations": {id.to_string(): rev}})).await.ok();
                assert_eq!(answer["conversations"][0]["messages"], json!([changed]));
            }
        }
    }
    assert_eq!(bob.get("/api/unread").await.ok(), unread, "a reaction is no news");
}

both_databases!(emoji_and_users_are_listed_in_reaction_order);
async fn emoji_and_users_are_listed_in_reaction_order(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let sent = ann.send_rest(&bob, "hi").await;
    let (mut by_ann, mut by_bob) = (Transport::Rest(ann.clone()), Transport::Rest(bob.clone()));
    by_bob.ok("react", react(&sent, "🎉", true)).await;
    by_ann.ok("react", react(&sent, "❤️", true)).await;
    by_ann.ok("react", react(&sent, "🎉", true)).await;
    let reactions = by_bob.ok("react", react(&sent, "😂", true)).await["message"]["reactions"].clone();
    let expected = json!([
        {"emoji": "🎉", "count": 2, "user_ids": [bob.id, ann.id]},
        {"emoji": "❤️", "count": 1, "user_ids": [ann.id]},
        {"emoji": "😂", "count": 1, "user_ids": [bob.id]},
    ]);
    assert_eq!(reactions, expected);
    assert_eq!(message(&ann, &sent["id"]).await["reactions"], expected);
}

both_databases!(reactions_count_all_users_and_name_the_first_twenty);
async fn reactions_count_all_users_and_name_the_first_twenty(hub: &mut TestHub) {
    let names: Vec<String> = (1..=21).map(|number| format!("guest{number}")).collect();
    let mut guests = Vec::new();
    for name in &names {
        let [guest] = hub.users([name.as_str()]).await;
        guests.push(guest);
    }
    let ids: Vec<i64> = guests.iter().map(|guest| guest.id).collect();
    let sent = Group::of_ids(&guests[0], &ids[1..]).await.says(&guests[0], "hi").await;
    // The user who came last reacts first.
    for guest in guests.iter().rev() {
        Transport::Rest(guest.clone()).ok("react", react(&sent, "👍", true)).await;
    }
    let mut named: Vec<i64> = ids.iter().rev().copied().take(20).collect();
    let reactions = message(&guests[0], &sent["id"]).await["reactions"].clone();
    assert_eq!(reactions, json!([{"emoji": "👍", "count": 21, "user_ids": named}]));
    Transport::Rest(guests[20].clone()).ok("react", react(&sent, "👍", false)).await;
    named.remove(0);
    named.push(ids[0]);
    let reactions = message(&guests[0], &sent["id"]).await["reactions"].clone();
    assert_eq!(reactions, json!([{"emoji": "👍", "count": 20, "user_ids": named}]), "the next comes in");
}

both_databases!(an_emoji_is_stored_fully_qualified);
async fn an_emoji_is_stored_fully_qualified(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let sent = ann.send_rest(&bob, "hi").await;
    for mut transport in Transport::both(&bob).await {
        for (written, kept) in [
            ("👍", "👍"),
            ("👍🏽", "👍🏽"),
            ("\u{2764}", "\u{2764}\u{fe0f}"),
            ("\u{2764}\u{fe0f}", "\u{2764}\u{fe0f}"),
            ("\u{263a}", "\u{263a}\u{fe0f}"),
            ("#\u{fe0f}\u{20e3}", "#\u{fe0f}\u{20e3}"),
            ("1\u{20e3}", "1\u{fe0f}\u{20e3}"),
            ("🇨🇭", "🇨🇭"),
            (
                "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
                "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
            ),
            ("👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦"),
            ("👩🏽‍❤️‍💋‍👨🏿", "👩🏽‍❤️‍💋‍👨🏿"),
            ("🏳️‍🌈", "🏳️‍🌈"),
            ("\u{1f3f3}\u{200d}\u{1f308}", "🏳️‍🌈"),
        ] {
            let reactions = transport.ok("react", react(&sent, written, true)).await["message"]["reactions"].clone();
            assert_eq!(reactions, json!([{"emoji": kept, "count": 1, "user_ids": [bob.id]}]), "{written:?}");
            let reactions = transport.ok("react", react(&sent, kept, false)).await["message"]["reactions"].clone();
            assert_eq!(reactions, json!([]), "{written:?} is removed as {kept:?}");
        }
    }
    assert_eq!(hub.database.count("reactions"), 0);
}

both_databases!(a_reaction_must_be_exactly_one_emoji);
async fn a_reaction_must_be_exactly_one_emoji(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let sent = ann.send_rest(&bob, "hi").await;
    let mut phone = bob.connect().await;
    let long = "👍".repeat(1000);
    for on in [true, false] {
        for text in
            ["👍👍", "👍 ", "ok", "1", "#", ":+1:", "\u{1f3fd}\u{1f3fd}", "\u{fe0f}", "🇨", "\0", "a\u{301}", &long]
        {
            let (code, words) = refused_on_both(&bob, "react", react(&sent, text, on)).await;
            assert_eq!((&*code, &*words), ("invalid", "emoji must be one emoji"), "{text:?}");
        }
        let refusal = phone.refused(json!({"type": "react", "message_id": sent["id"], "emoji": "", "on": on})).await;
        assert_eq!(refusal, ("invalid".to_owned(), "emoji must be one emoji".to_owned()));
    }
    for (body, key) in [
        (json!({"emoji": "👍", "on": true}), "message_id"),
        (json!({"message_id": sent["id"], "on": true}), "emoji"),
        (json!({"message_id": sent["id"], "emoji": "👍"}), "on"),
        (json!({"message_id": sent["id"], "emoji": 7, "on": true}), "emoji"),
        (json!({"message_id": sent["id"], "emoji": "👍", "on": "yes"}), "on"),
    ] {
        let mut frame = body;
        frame["type"] = json!("react");
        let (code, words) = phone.refused(frame).await;
        assert!(code == "invalid" && words.starts_with(key), "{words}");
    }
    let path = format!("/api/messages/{}/reactions/", sent["id"]);
    bob.put(&path).await.refused(404, "not_found");
    bob.put(&format!("{path}%FF")).await.refused(400, "invalid");
    bob.put(&format!("{path}%F0%9F%91%8D/more")).await.refused(404, "not_found");
    assert_eq!(hub.database.count("reactions"), 0);
}

both_databases!(a_message_has_at_most_twenty_kinds_of_reactions);
async fn a_message_has_at_most_twenty_kinds_of_reactions(hub: &mut TestHub) {
    const KINDS: [&str; 20] = [
        "😀", "😃", "😄", "😁", "😆", "😅", "🤣", "😂", "🙂", "🙃", "🫠", "😉", "😊", "😇", "🥰", "😍", "🤩", "😘",
        "😗", "😚",
    ];
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let sent = ann.send_rest(&bob, "hi").await;
    let mut by_bob = Transport::Rest(bob.clone());
    for kind in KINDS {
        by_bob.ok("react", react(&sent, kind, true)).await;
    }
    let before = message(&ann, &sent["id"]).await;
    let kinds: Vec<&Value> = before["reactions"].as_array().unwrap().iter().map(|kind| &kind["emoji"]).collect();
    assert_eq!(kinds, KINDS.iter().collect::<Vec<_>>());
    let mut phone = ann.connect().await;
    let (code, _) = refused_on_both(&bob, "react", react(&sent, "🤔", true)).await;
    assert_eq!(code, "conflict");
    let (code, _) = refused_on_both(&ann, "react", react(&sent, "🤔", true)).await;
    assert_eq!(code, "conflict", "for both users");
    phone.expect_silence().await;
    assert_eq!(message(&ann, &sent["id"]).await, before, "not even its number moved");
    by_bob.ok("react", react(&sent, KINDS[3], true)).await;
    Transport::Rest(ann.clone()).ok("react", react(&sent, KINDS[0], true)).await;
    by_bob.ok("react", react(&sent, KINDS[7], false)).await;
    by_bob.ok("react", react(&sent, "🤔", true)).await;
    assert_eq!(message(&ann, &sent["id"]).await["reactions"].as_array().unwrap().len(), 20);
}

both_databases!(a_user_who_cannot_write_cannot_react);
async fn a_user_who_cannot_write_cannot_react(hub: &mut TestHub) {
    let [ann, bob, eve] = hub.users(["ann", "bob", "eve"]).await;
    let sent = ann.send_rest(&bob, "hi").await;
    Transport::Rest(bob.clone()).ok("react", react(&sent, "👍", true)).await;
    let before = message(&ann, &sent["id"]).await;
    let (mut laptop, mut phone) = (ann.connect().await, bob.connect().await);
    for on in [true, false] {
        let absent = refused_on_both(&eve, "react", json!({"message_id": 999_999, "emoji": "👍", "on": on})).await;
        assert_eq!(absent, ("not_found".into(), "no such message".into()));
        assert_eq!(refused_on_both(&eve, "react", react(&sent, "👍", on)).await, absent);
    }
    ann.blocks(&bob).await;
    for on in [true, false] {
        for user in [&ann, &bob] {
            assert_eq!(refused_on_both(user, "react", react(&sent, "👍", on)).await.0, "forbidden");
        }
    }
    assert_eq!(message(&bob, &sent["id"]).await, before);
    ann.unblocks(&bob).await;
    Transport::Rest(ann.clone()).ok("delete_message", json!({"message_id": sent["id"], "for": "everyone"})).await;
    for on in [true, false] {
        let refusal = refused_on_both(&bob, "react", react(&sent, "👍", on)).await;
        assert_eq!(refusal, ("conflict".into(), "the message was deleted".into()));
    }
    for socket in [&mut laptop, &mut phone] {
        assert_eq!(kinds(&socket.arrived().await), ["message_deleted"], "no other frame was sent");
    }
    assert_eq!(hub.database.count("reactions"), 0, "a tombstone has none");
}

both_databases!(a_path_may_hold_the_emoji_as_it_is_or_percent_encoded);
async fn a_path_may_hold_the_emoji_as_it_is_or_percent_encoded(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let sent = ann.send_rest(&bob, "hi").await;
    for emoji in ["👍", "❤️", "*️⃣"] {
        let path = |emoji: &str| format!("/api/messages/{}/reactions/{emoji}", sent["id"]);
        let answer = bob.put(&path(emoji)).await.is(200).ok();
        assert_eq!(answer["message"]["reactions"][0]["emoji"], emoji);
        let answer = bob.delete(&path(&percent_encoded(emoji))).await.is(200).ok();
        assert_eq!(answer["message"]["reactions"], json!([]));
    }
}
