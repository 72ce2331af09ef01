//! Groups, and the actions of their members.

use super::{Reply, TestHub, User};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Clone, Copy)]
pub struct Group {
    pub id: i64,
}

impl Group {
    /// A group with its creator and owner.
    pub async fn of(owner: &User, others: &[&User]) -> Self {
        let ids: Vec<i64> = others.iter().map(|user| user.id).collect();
        Self::of_ids(owner, &ids).await
    }

    pub async fn of_ids(owner: &User, others: &[i64]) -> Self {
        let body = json!({"participant_ids": others, "title": "Lunch"});
        let made = owner.post("/api/conversations", body).await.is(201).ok();
        Self { id: made["conversation"]["id"].as_i64().unwrap() }
    }

    /// The path of a call on this group.
    pub fn at(self, tail: &str) -> String {
        format!("/api/conversations/{}{tail}", self.id)
    }

    pub async fn add(self, by: &User, whom: &User) -> Reply {
        by.post(&self.at("/participants"), json!({"user_id": whom.id})).await
    }

    pub async fn remove(self, by: &User, whom: &User) -> Reply {
        by.delete(&self.at(&format!("/participants/{}", whom.id))).await
    }

    pub async fn set_role(self, by: &User, whom: &User, role: &str) -> Reply {
        by.patch(&self.at(&format!("/participants/{}", whom.id)), json!({"role": role})).await
    }

    pub async fn rename(self, by: &User, title: &str) -> Reply {
        by.patch(&self.at(""), json!({"title": title})).await
    }

    /// Sends a message and returns it as stored.
    pub async fn says(self, who: &User, content: &str) -> Value {
        who.post(&self.at("/messages"), json!({"content": content})).await.is(201).ok()["message"].clone()
    }

    /// The role of each member, by name.
    pub async fn roles(self, seen_by: &User) -> BTreeMap<String, String> {
        let page = seen_by.get(&self.at("/participants")).await.is(200).ok();
        let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
        page["participants"].as_array().unwrap().iter().map(|row| (text(row, "username"), text(row, "role"))).collect()
    }
}

/// Creates this many users who never log in, directly in the database; returns their ids.
pub async fn crowd(hub: &TestHub, seen_by: &User, size: usize) -> Vec<i64> {
    let mut ids = Vec::with_capacity(size);
    for begin in (0..size).step_by(100) {
        let name = format!("crowd{}x", hub.database.count("users"));
        let last = 100.min(size - begin);
        hub.database.execute(&format!(
            "INSERT INTO users (username, username_key, display_name, created_at)
             WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {last})
             SELECT '{name}' || n, '{name}' || n, '{name}', 0 FROM number;
             INSERT INTO user_words (kind, word, user_id) SELECT 0, username_key, id FROM users WHERE display_name = '{name}'"
        ));
        let found = seen_by.get(&format!("/api/users?q={name}&limit=100")).await.is(200).ok();
        ids.extend(found["users"].as_array().unwrap().iter().map(|user| user["id"].as_i64().unwrap()));
    }
    assert_eq!(ids.len(), size, "every user is found");
    ids
}
