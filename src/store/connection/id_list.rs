//! Lists of ids in conditions.
//!
//! On SQLite, Diesel binds each value of a list separately, so SQLite compiles a new statement for
//! every length. Here a list is one value on both databases, so a statement is compiled once.

use crate::error::{Error, Result};
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{Array, BigInt, Text};
use diesel::sqlite::Sqlite;

/// The maximum number of ids in one list. Longer lists are joined, or bound in chunks of
/// `members::CHUNK`.
const MAX_IDS: usize = 10_000;

/// The ids that a statement compares with.
#[derive(Debug, Clone, QueryId, ValidGrouping)]
pub(crate) struct IdList(Vec<i64>);

/// Makes a list of bounded length.
///
/// # Errors
/// `Internal` for a list longer than `MAX_IDS`.
pub(crate) fn id_list<'a, T: AsRef<i64> + 'a>(ids: impl IntoIterator<Item = &'a T>) -> Result<IdList> {
    let ids: Vec<i64> = ids.into_iter().map(|id| *id.as_ref()).collect();
    if ids.len() > MAX_IDS {
        return Err(Error::bug("a statement binds a list of bounded length"));
    }
    Ok(IdList(ids))
}

// The operator is part of its right side, because each database has a different one.
diesel::infix_operator!(Among, " ");

pub(crate) trait IdListMethods: Expression + Sized {
    /// Whether the value is one of the ids.
    fn among(self, ids: &IdList) -> Among<Self, &IdList> {
        Among::new(self, ids)
    }
}

impl<T: Expression> IdListMethods for T {}

impl Expression for IdList {
    type SqlType = BigInt;
}

impl<Source> AppearsOnTable<Source> for IdList {}
impl<Source> SelectableExpression<Source> for IdList {}

impl QueryFragment<Sqlite> for IdList {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("IN (SELECT value FROM json_each(");
        out.push_bind_param::<Text, Self>(self)?;
        out.push_sql("))");
        Ok(())
    }
}

impl QueryFragment<Pg> for IdList {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("= ANY(");
        out.push_bind_param::<Array<BigInt>, Self>(self)?;
        out.push_sql(")");
        Ok(())
    }
}

impl ToSql<Text, Sqlite> for IdList {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(serde_json::to_string(&self.0)?);
        Ok(IsNull::No)
    }
}

impl ToSql<Array<BigInt>, Pg> for IdList {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<Array<BigInt>, Pg>::to_sql(&self.0, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::UserId;
    use crate::store::on;
    use crate::store::scratch::{Scratch, both_databases};

    fn users(numbers: impl IntoIterator<Item = i64>) -> IdList {
        id_list(&numbers.into_iter().map(UserId::new).collect::<Vec<_>>()).unwrap()
    }

    fn an_id_matches_only_a_list_that_contains_it(scratch: Scratch) {
        let mut db = scratch.open();
        for (ids, expected) in [(vec![], false), (vec![1, 3], false), (vec![1, 2, 2, 3], true)] {
            let list = users(ids);
            let found: bool =
                on!(&mut db, conn => diesel::select(2.into_sql::<BigInt>().among(&list)).get_result(conn)).unwrap();
            assert_eq!(found, expected, "{list:?}");
        }
    }
    both_databases!(an_id_matches_only_a_list_that_contains_it);

    fn a_list_holds_up_to_ten_thousand_ids(scratch: Scratch) {
        let mut db = scratch.open();
        let list = users(1..=MAX_IDS as i64);
        for (id, expected) in [(MAX_IDS as i64, true), (MAX_IDS as i64 + 1, false)] {
            let found: bool =
                on!(&mut db, conn => diesel::select(id.into_sql::<BigInt>().among(&list)).get_result(conn)).unwrap();
            assert_eq!(found, expected);
        }
        let too_many: Vec<UserId> = (0..=MAX_IDS as i64).map(UserId::new).collect();
        assert!(matches!(id_list(&too_many), Err(Error::Internal(_))));
    }
    both_databases!(a_list_holds_up_to_ten_thousand_ids);

    #[test]
    fn a_statement_is_compiled_once_for_all_list_lengths() {
        let (short, long) = (users([1]), users(1..=100));
        let of = |list| crate::store::schema::users::id.among(list);
        assert!(query_id(&of(&short)).is_some_and(|id| Some(id) == query_id(&of(&long))));
    }

    fn query_id<T: QueryId>(_: &T) -> Option<std::any::TypeId> {
        T::query_id()
    }
}
