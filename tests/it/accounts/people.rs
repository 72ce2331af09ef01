//! Searching for users, and the private lists of contacts and blocks.

use crate::harness::{PASSWORD, Reply, TestHub, User, both_databases, percent_encoded};
use serde_json::json;

async fn found(by: &User, query: &str) -> Vec<String> {
    let found = by.get(&format!("/api/users?{query}")).await.ok();
    let users = found["users"].as_array().unwrap();
    users.iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect()
}

both_databases!(in_4_users_are_found_by_a_name_prefix);
async fn in_4_users_are_found_by_a_name_prefix(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["annabel", "Bob"]).await;
    for (username, display_name) in [("cat", "Anna Ünal"), ("dan", "Jo-Ann Smith"), ("a_b", "100% Real_")] {
        let form = json!({"username": username, "password": PASSWORD, "display_name": display_name});
        hub.visitor().post("/api/auth/register", form).await.is(201);
    }
    for (query, expected) in [
        ("q=ann", vec!["annabel", "cat", "dan"]),
        ("q=ANN", vec!["annabel", "cat", "dan"]),
        ("q=bOB", vec!["Bob"]),
        ("q=%C3%BCn", vec!["cat"]),
        ("q=smi", vec!["dan"]),
        ("q=%20ann%20", vec!["annabel", "cat", "dan"]),
        ("q=a_", vec!["a_b", "annabel", "cat", "dan"]),
        ("q=100%25", vec!["a_b"]),
        ("q=%25", vec![]),
        ("q=_", vec![]),
        ("q=zzz", vec![]),
        ("q=ann&limit=1", vec!["annabel"]),
    ] {
        assert_eq!(found(&bob, query).await, expected, "{query}");
    }
    for (query, key) in [("", "q"), ("q=", "q"), ("q=%00", "q"), ("q=a&limit=0", "limit"), ("q=a&limit=101", "limit")] {
        let detail = ann.get(&format!("/api/users?{query}")).await.refused(400, "invalid");
        assert!(detail.starts_with(key), "{query}: {detail}");
    }
    hub.visitor().get("/api/users?q=ann").await.refused(401, "unauthenticated");
}

both_databases!(blocked_users_and_blockers_do_not_find_each_other);
async fn blocked_users_and_blockers_do_not_find_each_other(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    ann.blocks(&bob).await;
    assert!(found(&ann, "q=bob").await.is_empty());
    assert!(found(&bob, "q=ann").await.is_empty());
    assert_eq!(
        (found(&cat, "q=ann").await, found(&cat, "q=bob").await),
        (vec!["ann".to_owned()], vec!["bob".to_owned()])
    );
    ann.unblocks(&bob).await;
    assert_eq!(found(&bob, "q=ann").await, ["ann"]);
}

both_databases!(contacts_and_blocks_are_listed_only_to_their_owner);
async fn contacts_and_blocks_are_listed_only_to_their_owner(hub: &mut TestHub) {
    let [ann, bob, cat, fay] = hub.users(["ann", "bob", "cat", "fay"]).await;
    for list in ["/api/contacts", "/api/blocks"] {
        for _twice in 0..2 {
            ann.put(&format!("{list}/{}", cat.id)).await.is(204);
            ann.put(&format!("{list}/{}", bob.id)).await.is(204);
        }
        let listed = ann.get(list).await.ok();
        let seen = async |user: &User| fay.get(&format!("/api/users/{}", user.id)).await.ok()["user"].clone();
        assert_eq!(listed, json!({"users": [seen(&bob).await, seen(&cat).await]}));
        assert_eq!(bob.get(list).await.ok(), json!({"users": []}));
        for _twice in 0..2 {
            ann.delete(&format!("{list}/{}", bob.id)).await.is(204);
        }
        assert_eq!(ann.get(list).await.ok()["users"].as_array().unwrap().len(), 1);
        for method in ["PUT", "DELETE"] {
            let detail = ann.call(method, &format!("{list}/{}", ann.id)).await.refused(400, "invalid");
            assert!(detail.contains("user_id"), "{detail}");
            ann.call(method, &format!("{list}/999999")).await.refused(404, "not_found");
            let detail = ann.call(method, &format!("{list}/0")).await.refused(400, "invalid");
            assert!(detail.contains("user_id"), "{detail}");
        }
    }
    ann.get("/api/users/999999").await.refused(404, "not_found");
}

fn user_of(hub: &TestHub, reply: Reply) -> User {
    let (cookie, _) = reply.cookie();
    User::with_cookie(&reply.ok()["user"], &hub.visitor(), &cookie)
}

async fn register(hub: &TestHub, username: &str, display_name: &str) -> User {
    let form = json!({"username": username, "password": PASSWORD, "display_name": display_name});
    let reply = hub.visitor().post("/api/auth/register", form).await.is(201);
    user_of(hub, reply)
}

async fn finds(by: &User, q: &str) -> Vec<String> {
    found(by, &format!("q={}", percent_encoded(q))).await
}

/// A name, and the ways in which people type it.
const TYPED: [(&str, &[&str]); 25] = [
    ("Mary Ann Jones", &["mary ann", "ann mary", "jones", "Jones, Mary", "m a j", "MARY", "mary-ann"]),
    ("Éloïse Nuñez", &["eloise", "Éloïse", "E\u{301}loi\u{308}se", "nunez eloise", "ELOÏSE"]),
    ("Jean-Luc Picard", &["luc", "jean luc", "jean-luc", "jeanluc", "Jean‐Luc", "picard jean"]),
    ("Jürgen Groß", &["gross", "GROSS", "groß", "Grosz", "jurgen", "ＪＵＲＧＥＮ"]),
    ("Seán O’Neil", &["O'Neil", "o’neil", "oneil", "oʼneil", "sean o neil", "neil"]),
    ("Søren Kjær Øster", &["soren", "kjaer", "oster", "Søren", "øster"]),
    ("Łukasz Wałęsa", &["lukasz", "walesa", "ŁUKASZ", "wałęsa"]),
    ("Đặng Thị Ngọc", &["dang", "đặng", "dang thi ngoc", "ngoc"]),
    ("Þóra Guðrún", &["thora", "gudrun", "þóra", "Guđrún"]),
    ("Işıl İnan", &["isil", "ISIL", "ışıl", "inan", "İNAN", "INAN"]),
    ("Fyodor Фёдор Алексеевич", &["федор", "фёдор", "ФЁДОР", "fyodor", "алекс"]),
    ("Андрій Ґудзь", &["андрій", "Андріи\u{306}", "гудзь", "ґудзь"]),
    ("Γιώργος Παπαδόπουλος", &["γιωργος", "ΓΙΏΡΓΟΣ", "παπαδοπουλος", "Παπαδόπουλοσ"]),
    ("أحمد عبد الله", &["احمد", "أَحْمَد", "عبد", "اللّٰه"]),
    ("فاطمة علی", &["فاطمه", "فاطمة", "علي", "علی"]),
    ("מֹשֶׁה כהן", &["משה", "מֹשֶׁה", "כהן משה"]),
    ("田中 太郎", &["田中", "太郎", "田中太郎", "田中 太", "中"]),
    ("タナカ ﾊﾅｺ", &["たなか", "タナカ", "ﾀﾅｶ", "はなこ", "ハナコ", "た\u{306a}か"]),
    ("王小明", &["王", "小明", "王小明", "王 小明", "明"]),
    ("김철수", &["김철수", "김 철수", "철수", "\u{1100}\u{1175}\u{11b7}철수"]),
    ("สมชาย ใจดี", &["สมชาย", "ใจดี", "ชาย"]),
    ("अमित कुमार", &["अमित", "कुमार", "कु"]),
    ("Ｆｕｌｌ Ｗｉｄｔｈ", &["full", "width", "ｗｉｄｔｈ"]),
    ("Anna 🦄 Maria", &["🦄", "anna maria", "maria anna"]),
    ("Bjo\u{308}rk ﬁnch", &["björk", "bjork", "finch", "ﬁnch"]),
];

both_databases!(a_name_is_found_in_every_spelling);
async fn a_name_is_found_in_every_spelling(hub: &mut TestHub) {
    let [eve] = hub.users(["eve"]).await;
    for (number, (name, _)) in TYPED.iter().enumerate() {
        register(hub, &format!("person{number}"), name).await;
    }
    let missed = async || {
        let mut missed = Vec::new();
        for (number, (name, typed)) in TYPED.iter().enumerate() {
            for q in *typed {
                let is_other_spelling = *q == "Grosz";
                if finds(&eve, q).await.contains(&format!("person{number}")) == is_other_spelling {
                    missed.push(format!("{name} by {q}"));
                }
            }
        }
        missed
    };
    assert_eq!(missed().await, [""; 0]);
    // The database is as the version before left it: the hub fills in the words at its start.
    hub.stop();
    hub.database.execute("DELETE FROM user_words; UPDATE user_words_progress SET version = 0, filled_upto = 0");
    hub.restart();
    assert_eq!(missed().await, [""; 0]);
}

both_databases!(conversation_partners_come_first_and_then_the_best_matches);
async fn conversation_partners_come_first_and_then_the_best_matches(hub: &mut TestHub) {
    let eve = register(hub, "eve", "Eve").await;
    let later_word = register(hub, "xx1", "Zoe Annan").await;
    register(hub, "xx2", "Anna Bell").await;
    register(hub, "annb", "Zoe").await;
    register(hub, "xx3", "Ann Bell").await;
    register(hub, "anna", "Yan").await;
    assert_eq!(finds(&eve, "ann").await, ["anna", "annb", "xx3", "xx2", "xx1"]);
    assert_eq!(finds(&eve, "@ann").await, ["anna", "annb"]);
    assert_eq!(finds(&eve, "@ANNB").await, ["annb"]);
    assert_eq!(finds(&eve, "@xx1").await, ["xx1"]);
    assert_eq!(finds(&eve, "zoe ann").await, ["annb", "xx1"]);
    assert_eq!(finds(&eve, "ann zoe bell").await, [""; 0]);
    eve.send_rest(&later_word, "hello").await;
    assert_eq!(finds(&eve, "ann").await, ["xx1", "anna", "annb", "xx3", "xx2"]);
    assert_eq!(finds(&later_word, "ev").await, ["eve"]);
    assert_eq!(found(&eve, "q=ann&limit=2").await, ["xx1", "anna"]);
    eve.blocks(&later_word).await;
    assert_eq!(finds(&eve, "ann").await, ["anna", "annb", "xx3", "xx2"]);
    assert_eq!(finds(&later_word, "eve").await, [""; 0]);
}

both_databases!(disabled_and_closed_accounts_are_not_found);
async fn disabled_and_closed_accounts_are_not_found(hub: &mut TestHub) {
    let [eve, ada] = hub.users(["eve", "ada"]).await;
    let ada = hub.promote(&ada).await;
    let bob = register(hub, "bob", "Bob Builder").await;
    let account = |what: &str| format!("/api/admin/users/{}/{what}", bob.id);
    ada.call("POST", &account("disable")).await.is(204);
    assert_eq!(finds(&eve, "builder").await, [""; 0]);
    ada.call("POST", &account("enable")).await.is(204);
    assert_eq!(finds(&eve, "builder").await, ["bob"]);
    let credentials = json!({"username": "bob", "password": PASSWORD});
    let bob = user_of(hub, hub.visitor().post("/api/auth/login", credentials).await.is(200));
    bob.call_with("DELETE", "/api/auth/me", json!({"password": PASSWORD})).await.is(204);
    for q in ["bob", "builder", "deleted"] {
        assert_eq!(finds(&eve, q).await, [""; 0]);
    }
    assert_eq!(hub.database.count(&format!("user_words WHERE user_id = {}", bob.id)), 0);
}
