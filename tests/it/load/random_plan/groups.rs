//! Groups in a plan: creation, joining, leaving and role changes. The expected result of each
//! change is computed from the tables before it.

use super::plan::Action;
use super::properties;
use super::rows::{ConversationRow, ParticipantRow, Rows};
use super::world::World;
use crate::harness::{Reply, User};
use crate::load::random::Random;
use serde_json::json;

const ROLES: [&str; 3] = ["owner", "admin", "member"];

/// A group that a user wants to create, and its id once it exists.
#[derive(Clone, Debug)]
pub struct Founding {
    maker_id: i64,
    others: Vec<i64>,
    title: Option<String>,
    client_id: String,
    id: Option<i64>,
}

/// The requested change.
#[derive(Clone, Debug)]
struct Regrouping {
    user_id: i64,
    id: i64,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Add { whom: i64 },
    Remove { whom: i64 },
    SetRole { whom: i64, role: &'static str },
    Rename { title: String },
}

impl Regrouping {
    /// The reason why the change must be refused, if any.
    fn refusal(&self, rows: &Rows) -> Option<&'static str> {
        let role_of = |user_id| rows.member(user_id, self.id).and_then(|participant| participant.role.as_deref());
        let Some(mine) = role_of(self.user_id) else { return Some("not_found") };
        let owners =
            rows.participants_in(self.id).filter(|participant| participant.role.as_deref() == Some("owner")).count();
        let is_last_owner = |user_id| owners == 1 && role_of(user_id) == Some("owner");
        let is_alone = rows.participants_in(self.id).count() == 1;
        match self.kind {
            Kind::Add { .. } | Kind::Rename { .. } if mine == "member" => Some("forbidden"),
            Kind::Add { whom } if role_of(whom).is_some() => None,
            Kind::Add { whom } => {
                let is_unwanted = rows.is_block_between(self.user_id, whom) || rows.declines(whom, self.user_id);
                is_unwanted.then_some("forbidden")
            }
            Kind::Rename { .. } => None,
            Kind::SetRole { .. } if mine != "owner" => Some("forbidden"),
            Kind::Remove { whom } | Kind::SetRole { whom, .. } if role_of(whom).is_none() => Some("not_found"),
            Kind::SetRole { whom, role } => (role != "owner" && is_last_owner(whom)).then_some("conflict"),
            Kind::Remove { whom } if whom == self.user_id => (is_last_owner(whom) && !is_alone).then_some("conflict"),
            Kind::Remove { whom } => {
                let may = mine == "owner" || (mine == "admin" && role_of(whom) == Some("member"));
                (!may).then_some("forbidden")
            }
        }
    }

    /// Applies the change to the rows.
    fn apply(&self, rows: &mut Rows) {
        let Rows { conversations, participants, .. } = rows;
        let conversation = conversations.iter_mut().find(|row| row.id == self.id).expect("the row is known");
        let rev = conversation.rev + 1;
        let is_change = match &self.kind {
            Kind::Add { whom } => {
                let participant = participant_of(participants, self.id, *whom);
                let is_new = participant.as_ref().is_none_or(|row| row.role.is_none());
                let joined = ParticipantRow::joined(conversation, *whom, "member", rev);
                match participant {
                    Some(row) if is_new => *row = joined,
                    Some(_) => {}
                    None => participants.push(joined),
                }
                is_new
            }
            Kind::Remove { whom } => set_role(participant_of(participants, self.id, *whom), None, rev),
            Kind::SetRole { whom, role } => set_role(participant_of(participants, self.id, *whom), Some(role), rev),
            Kind::Rename { title } => conversation.title.replace(title.clone()).as_ref() != Some(title),
        };
        participants.sort_by_key(|row| (row.conversation_id, row.user_id));
        conversation.rev += i64::from(is_change);
    }

    async fn ask(&self, user: &User) -> Reply {
        let at = |tail: &str| format!("/api/conversations/{}{tail}", self.id);
        match &self.kind {
            Kind::Add { whom } => user.post(&at("/participants"), json!({"user_id": whom})).await,
            Kind::Remove { whom } => user.delete(&at(&format!("/participants/{whom}"))).await,
            Kind::SetRole { whom, role } => {
                user.patch(&at(&format!("/participants/{whom}")), json!({"role": role})).await
            }
            Kind::Rename { title } => user.patch(&at(""), json!({"title": title})).await,
        }
    }
}

/// The participant's row, also of a user who left.
fn participant_of(participants: &mut [ParticipantRow], id: i64, user_id: i64) -> Option<&mut ParticipantRow> {
    participants.iter_mut().find(|row| (row.conversation_id, row.user_id) == (id, user_id))
}

/// Whether the request changes anything.
fn set_role(participant: Option<&mut ParticipantRow>, role: Option<&str>, rev: i64) -> bool {
    let participant = participant.expect("the user is a participant");
    let is_new = participant.role.as_deref() != role;
    if is_new {
        (participant.role, participant.rev) = (role.map(str::to_owned), rev);
    }
    is_new
}

impl World {
    /// Picks a group that the device knows, or, seldom, any group.
    pub fn pick_group(&self, at: usize, random: &mut Random) -> Option<i64> {
        let any = random.below(8) == 0;
        let known = &self.devices[at].model.conversations;
        let ids = self.foundings.iter().filter_map(|founding| founding.id);
        let ids: Vec<i64> = ids.filter(|id| any || known.contains_key(id)).collect();
        random.pick(&ids).copied()
    }

    /// A user without a group creates one first.
    pub async fn regroup(&mut self, at: usize, action: Action, fails: bool, random: &mut Random) {
        let rows = self.tables.look();
        // Prefers an allowed change.
        let mut drawn: Vec<Regrouping> = (0..4).filter_map(|_| self.draw_regrouping(at, action, random)).collect();
        let allowed = drawn.iter().position(|change| change.refusal(&rows).is_none()).unwrap_or(0);
        if drawn.is_empty() {
            return self.found(at, fails, random).await;
        }
        let change = drawn.swap_remove(allowed);
        self.make(at, &change, fails).await;
        if action == Action::HandOver {
            let stepping_down = Kind::SetRole { whom: change.user_id, role: "member" };
            self.make(at, &Regrouping { kind: stepping_down, ..change }, fails).await;
        }
    }

    pub async fn regroup_and_fail(&mut self, at: usize, random: &mut Random) {
        match [Action::Found, Action::Add, Action::Remove, Action::SetRole, Action::Rename][random.below(5)] {
            Action::Found => self.found(at, true, random).await,
            action => self.regroup(at, action, true, random).await,
        }
    }

    fn draw_regrouping(&self, at: usize, action: Action, random: &mut Random) -> Option<Regrouping> {
        let (user_id, whom) = (self.devices[at].user.id, self.other_than(at, random).id);
        let kind = match action {
            Action::Add => Kind::Add { whom },
            Action::Remove => Kind::Remove { whom },
            Action::Leave => Kind::Remove { whom: user_id },
            Action::SetRole => Kind::SetRole { whom, role: ROLES[random.below(ROLES.len())] },
            Action::HandOver => Kind::SetRole { whom, role: "owner" },
            _ => Kind::Rename { title: format!("title {}", random.below(4)) },
        };
        Some(Regrouping { user_id, id: self.pick_group(at, random)?, kind })
    }

    /// Sends the request, and compares the tables with the expected result.
    async fn make(&mut self, at: usize, change: &Regrouping, fails: bool) {
        let before = self.tables.look();
        let (mut refusal, mut expected) = (change.refusal(&before), before.clone());
        if refusal.is_none() {
            change.apply(&mut expected);
        }
        if fails && expected.conversations != before.conversations {
            (refusal, expected) = (Some("unavailable"), before);
            self.unknown_commits += 1;
            self.counts.failed_commits += 1;
        }
        let user = self.devices[at].user.clone();
        self.tables.set_trap(fails);
        let reply = change.ask(&user).await;
        self.tables.set_trap(false);
        let code = if reply.status < 300 { None } else { reply.json()["code"].as_str().map(str::to_owned) };
        assert_eq!(code.as_deref(), refusal, "{} asks for {change:?}", user.name);
        self.note_regrouping(refusal.is_some(), &expected, change);
    }

    /// Creates a new group, or retries an earlier one.
    pub async fn found(&mut self, at: usize, fails: bool, random: &mut Random) {
        let maker_id = self.devices[at].user.id;
        let mine = |number: &usize| self.foundings[*number].maker_id == maker_id;
        let earlier: Vec<usize> = (0..self.foundings.len()).filter(mine).collect();
        let number = match random.pick(&earlier).filter(|_| random.below(3) == 0) {
            Some(number) => *number,
            None => {
                let number = self.foundings.len();
                let mut others: Vec<i64> =
                    self.people.iter().map(|user| user.id).filter(|id| *id != maker_id).collect();
                others.retain(|_| random.below(3) > 0);
                if others.is_empty() {
                    others.push(self.other_than(at, random).id);
                }
                // A conversation with one other user and no title is not a group.
                let title = (others.len() == 1 || random.below(2) == 0).then(|| format!("group {number}"));
                let client_id = format!("group{number}");
                self.foundings.push(Founding { maker_id, others, title, client_id, id: None });
                number
            }
        };
        self.make_group(at, number, fails).await;
    }

    async fn make_group(&mut self, at: usize, number: usize, fails: bool) {
        let (user, mut expected) = (self.devices[at].user.clone(), self.tables.look());
        let Founding { maker_id, others, title, client_id, id } = self.foundings[number].clone();
        let is_unwanted =
            |other: &i64| expected.is_block_between(maker_id, *other) || expected.declines(*other, maker_id);
        let is_refused = others.iter().any(is_unwanted);
        let status = match id {
            Some(id) if expected.member(maker_id, id).is_some() => 200,
            Some(_) => 404,
            None if is_refused => 403,
            None if fails => 503,
            None => 201,
        };
        self.tables.set_trap(fails);
        let body = json!({"participant_ids": others, "title": title, "client_id": client_id});
        let reply = user.post("/api/conversations", body).await.is(status);
        self.tables.set_trap(false);
        let answered_id = reply.json()["conversation"]["id"].as_i64();
        match status {
            200 => assert_eq!(answered_id, id, "{} made {client_id} before", user.name),
            201 => {
                let made = ConversationRow::group(answered_id.expect("an id"), title);
                let people = others.iter().map(|other| (*other, "member")).chain([(maker_id, "owner")]);
                expected.participants.extend(people.map(|(id, role)| ParticipantRow::joined(&made, id, role, 1)));
                expected.participants.sort_by_key(|row| (row.conversation_id, row.user_id));
                expected.conversations.push(made);
                self.foundings[number].id = answered_id;
            }
            503 => {
                self.unknown_commits += 1;
                self.counts.failed_commits += 1;
            }
            _ => {}
        }
        self.note_regrouping(status > 201, &expected, &client_id);
    }

    fn note_regrouping(&mut self, is_refused: bool, expected: &Rows, what: &dyn std::fmt::Debug) {
        let rows = self.tables.look();
        assert_eq!(rows.conversations, expected.conversations, "after {what:?}");
        assert_eq!(rows.participants, expected.participants, "after {what:?}");
        properties::a_nonempty_group_has_an_owner(&rows);
        self.order.stays.follow(&rows);
        match is_refused {
            true => self.counts.refused_regroupings += 1,
            false => self.counts.regroupings += 1,
        }
    }

    /// Users who left a group that still has a member who can add them, with the group.
    pub async fn bring_back_who_left(&mut self) -> Vec<(i64, i64)> {
        let rows = self.tables.look();
        let left = rows.participants.iter().filter(|row| row.role.is_none());
        let left = left.filter(|row| rows.participants_in(row.conversation_id).next().is_some());
        let left: Vec<(i64, i64)> = left.map(|row| (row.conversation_id, row.user_id)).collect();
        for (id, whom) in &left {
            self.make_by_owner(*id, Kind::Add { whom: *whom }).await;
        }
        left
    }

    pub async fn remove_again(&mut self, left: Vec<(i64, i64)>) {
        for (id, whom) in left {
            self.make_by_owner(id, Kind::Remove { whom }).await;
        }
    }

    async fn make_by_owner(&mut self, id: i64, kind: Kind) {
        let rows = self.tables.look();
        let owner = rows.participants_in(id).find(|row| row.role.as_deref() == Some("owner"));
        let user_id = owner.expect("a group has an owner").user_id;
        self.make(self.first_device_of(user_id), &Regrouping { user_id, id, kind }, false).await;
    }
}
