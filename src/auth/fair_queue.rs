//! A bounded fair queue that no single key can fill. Keys take turns. When the queue is full, the
//! key with the most items gives up a place to a key with fewer.

use std::collections::VecDeque;

/// Items of several keys. It holds a few dozen keys at most, because it searches lists.
pub(super) struct FairQueue<K, T> {
    /// Keys with their items, in the order of their turns; no list is empty.
    lists: VecDeque<(K, VecDeque<T>)>,
    len: usize,
    most: usize,
}

impl<K: Eq, T> FairQueue<K, T> {
    pub fn new(most: usize) -> Self {
        Self { lists: VecDeque::new(), len: 0, most }
    }

    /// Adds an item behind the others of its key. Returns the item that has no place: none, the
    /// newest item of the key with the most items, or this item.
    pub fn push(&mut self, key: K, item: T) -> Option<T> {
        let own = self.lists.iter().position(|(other, _)| *other == key);
        let displaced = if self.len < self.most {
            None
        } else {
            let waiting = own.map_or(0, |own| self.lists[own].1.len());
            let longest = self.lists.iter_mut().map(|(_, list)| list).max_by_key(|list| list.len());
            match longest.filter(|list| list.len() > waiting + 1) {
                Some(list) => list.pop_back(),
                None => return Some(item),
            }
        };
        match own {
            Some(own) => self.lists[own].1.push_back(item),
            None => self.lists.push_back((key, VecDeque::from([item]))),
        }
        self.len += usize::from(displaced.is_none());
        displaced
    }

    /// Removes the first item of the key whose turn it is.
    pub fn pop(&mut self) -> Option<T> {
        let (key, mut list) = self.lists.pop_front()?;
        let item = list.pop_front();
        self.len -= 1;
        if !list.is_empty() {
            self.lists.push_back((key, list));
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_take_turns_and_each_keeps_its_order() {
        let mut queue = FairQueue::new(10);
        for (key, item) in [("flood", 1), ("flood", 2), ("flood", 3), ("ann", 4), ("bob", 5), ("ann", 6)] {
            assert_eq!(queue.push(key, item), None);
        }
        let order: Vec<i32> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [1, 4, 5, 2, 6, 3]);
        assert_eq!(queue.len, 0);
    }

    #[test]
    fn a_single_key_may_fill_the_whole_queue() {
        let mut queue = FairQueue::new(3);
        for item in 1..=3 {
            assert_eq!(queue.push("flood", item), None);
        }
        assert_eq!(queue.push("flood", 4), Some(4));
    }

    #[test]
    fn the_key_with_the_most_items_loses_its_newest_one() {
        let mut queue = FairQueue::new(4);
        for item in 1..=4 {
            queue.push("flood", item);
        }
        assert_eq!(queue.push("ann", 5), Some(4), "the newest item is removed");
        assert_eq!(queue.push("bob", 6), Some(3));
        assert_eq!(queue.push("cat", 7), Some(2));
        assert_eq!(queue.push("dan", 8), Some(8), "all keys have the same number");
        assert_eq!(queue.push("ann", 9), Some(9));
        assert_eq!(queue.len, 4);
        let order: Vec<i32> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [1, 5, 6, 7]);
    }
}
