//! Pairs of the members of one small group. This module is pure.

use crate::ids::{ConversationId, UserId};

/// The maximum size of a group whose members see each other's presence.
pub const MAX_PRESENCE_GROUP: i64 = 100;

/// The pairs of a group whose presence visibility depends on the group.
#[derive(Clone, Copy, Debug)]
pub enum Whose {
    /// The pairs of this member with each of the others.
    Of(UserId),
    /// The pairs of all members.
    Everybody,
}

/// A set of unordered pairs of users, one bit for each.
#[derive(Clone, Debug)]
pub struct Pairs {
    /// The users, by id.
    people: Vec<UserId>,
    /// For each user, the others with whom they form a pair. Both users have the pair.
    others: Vec<u128>,
}

/// The size of a small group, and one more.
const MAX_PEOPLE: usize = MAX_PRESENCE_GROUP as usize + 1;
const _: () = assert!(MAX_PEOPLE <= u128::BITS as usize);

impl Pairs {
    /// Pairs each of these users with each other. If there are too many, only the first are used.
    pub fn all(people: &[UserId]) -> Self {
        let mut people = people.to_vec();
        people.sort_unstable();
        people.dedup();
        people.truncate(MAX_PEOPLE);
        let everybody = bits(0..people.len());
        let others = (0..people.len()).map(|at| everybody & !bits([at])).collect();
        Self { people, others }
    }

    /// Pairs one user with each of the others.
    pub fn of(one: UserId, others: &[UserId]) -> Self {
        let mut pairs = Self::all(&[&[one], others].concat());
        let only = pairs.mask([one]);
        for (person, others) in pairs.people.iter().zip(&mut pairs.others) {
            if *person != one {
                *others &= only;
            }
        }
        pairs
    }

    pub fn is_empty(&self) -> bool {
        self.others.iter().all(|others| *others == 0)
    }

    /// The users who are in a pair, by id.
    pub fn people(&self) -> impl Iterator<Item = &UserId> {
        self.people.iter().zip(&self.others).filter(|(_, others)| **others != 0).map(|(person, _)| person)
    }

    /// The users who are in the most pairs, by id.
    pub fn busiest(&self) -> impl Iterator<Item = &UserId> {
        let most = self.others.iter().map(|others| others.count_ones()).max().unwrap_or_default();
        let has_most = move |others: &u128| most > 0 && others.count_ones() == most;
        self.people.iter().zip(&self.others).filter(move |(_, others)| has_most(others)).map(|(person, _)| person)
    }

    pub fn remove(&mut self, one: UserId, other: UserId) {
        let both = self.mask([one, other]);
        self.remove_group(both);
    }

    /// Removes each pair of users who share one of these groups.
    pub fn remove_groups(&mut self, mut memberships: Vec<(ConversationId, UserId)>) {
        memberships.sort_unstable();
        for group in memberships.chunk_by(|(one, _), (next, _)| one == next) {
            let group = self.mask(group.iter().map(|(_, person)| *person));
            self.remove_group(group);
        }
    }

    fn remove_group(&mut self, group: u128) {
        if group.count_ones() > 1 {
            for (at, others) in self.others.iter_mut().enumerate() {
                if group & bits([at]) != 0 {
                    *others &= !group;
                }
            }
        }
    }

    fn mask(&self, people: impl IntoIterator<Item = UserId>) -> u128 {
        bits(people.into_iter().filter_map(|person| self.people.binary_search(&person).ok()))
    }

    /// Each pair once, the lower id first.
    pub fn list(&self) -> Vec<(UserId, UserId)> {
        let with_higher = |at: usize| {
            let others = self.others[at];
            (at + 1..self.people.len())
                .filter(move |other| others & bits([*other]) != 0)
                .map(move |other| (self.people[at], self.people[other]))
        };
        (0..self.people.len()).flat_map(with_higher).collect()
    }

    /// The users on the two sides of each pair, in both directions. Empty where there is no pair.
    pub fn sides(&self, whose: Whose) -> Vec<(Vec<UserId>, Vec<UserId>)> {
        let people: Vec<UserId> = self.people().copied().collect();
        match whose {
            _ if people.is_empty() => Vec::new(),
            Whose::Everybody => vec![(people.clone(), people)],
            Whose::Of(one) => {
                let others: Vec<UserId> = people.into_iter().filter(|person| *person != one).collect();
                vec![(vec![one], others.clone()), (others, vec![one])]
            }
        }
    }
}

fn bits(indexes: impl IntoIterator<Item = usize>) -> u128 {
    indexes.into_iter().fold(0, |bits, index| bits | 1 << index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn ids(people: &[i64]) -> Vec<UserId> {
        people.iter().copied().map(UserId::new).collect()
    }

    fn numbers(pairs: &Pairs) -> Vec<(i64, i64)> {
        pairs.list().into_iter().map(|(one, other)| (one.get(), other.get())).collect()
    }

    #[test]
    fn all_pairs_and_the_pairs_of_one_user_are_listed() {
        assert_eq!(numbers(&Pairs::all(&ids(&[3, 1, 2]))), [(1, 2), (1, 3), (2, 3)]);
        assert_eq!(numbers(&Pairs::of(UserId::new(2), &ids(&[3, 1]))), [(1, 2), (2, 3)]);
        assert!(Pairs::all(&ids(&[1])).is_empty() && Pairs::all(&[]).is_empty());
        let most: Vec<i64> = (1..=101).collect();
        assert_eq!(Pairs::all(&ids(&most)).list().len(), 101 * 100 / 2);
    }

    #[test]
    fn a_group_removes_only_the_pairs_of_its_members() {
        let mut pairs = Pairs::all(&ids(&[1, 2, 3, 4]));
        let membership = |group, person| (ConversationId::new(group), UserId::new(person));
        pairs.remove_groups(vec![membership(1, 1), membership(2, 4), membership(1, 2), membership(1, 9)]);
        assert_eq!(numbers(&pairs), [(1, 3), (1, 4), (2, 3), (2, 4), (3, 4)]);
        pairs.remove(UserId::new(3), UserId::new(4));
        pairs.remove(UserId::new(1), UserId::new(9));
        assert_eq!(numbers(&pairs), [(1, 3), (1, 4), (2, 3), (2, 4)]);
    }

    #[test]
    fn the_busiest_users_are_in_the_most_pairs() {
        let mut pairs = Pairs::all(&ids(&[1, 2, 3, 4]));
        let busiest = |pairs: &Pairs| pairs.busiest().map(|person| person.get()).collect::<Vec<_>>();
        assert_eq!(busiest(&pairs), [1, 2, 3, 4]);
        pairs.remove(UserId::new(1), UserId::new(2));
        assert_eq!(busiest(&pairs), [3, 4]);
        assert!(busiest(&Pairs::all(&ids(&[1]))).is_empty());
    }

    proptest! {
        #[test]
        fn the_remaining_pairs_share_no_group(
            people in proptest::collection::btree_set(1..30i64, 0..20),
            groups in proptest::collection::vec((1..6i64, 1..30i64), 0..40),
        ) {
            let people: Vec<i64> = people.into_iter().collect();
            let groups: BTreeSet<(i64, i64)> = groups.into_iter().collect();
            let mut pairs = Pairs::all(&ids(&people));
            pairs.remove_groups(groups.iter().map(|(g, p)| (ConversationId::new(*g), UserId::new(*p))).collect());
            let share = |a: i64, b: i64| (1..6).any(|g| groups.contains(&(g, a)) && groups.contains(&(g, b)));
            let all = people.iter().flat_map(|a| people.iter().filter(move |b| a < b).map(move |b| (*a, *b)));
            let expected: Vec<(i64, i64)> = all.filter(|(a, b)| !share(*a, *b)).collect();
            prop_assert_eq!(numbers(&pairs), expected);
        }
    }
}
