//! `RESET REPLICATION`, also as VoltDB's users type it: `DR RESET`; and `DR TABLE`.

use super::Stmt;
use super::error::Failure;
use super::input::{Input, fold};
use crate::ddl::DrTables;
use base::ClusterId;
use datafusion::sql::sqlparser::tokenizer::Token;
use dr::{Partner, ResetRequest};

/// `RESET REPLICATION TO {CLUSTER {id | name} | ALL} [FORCE]`, `DR RESET {CLUSTER … | ALL} [FORCE]`
pub(super) fn reset(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    if input.eat("dr") {
        if input.eat("table") {
            return table(input);
        }
        input.expect("reset")?;
    } else {
        input.expect_all(&["reset", "replication", "to"])?;
    }
    let partner = match input.eat("all") {
        true => Partner::All,
        false => cluster(input)?,
    };
    Ok(Stmt::ResetReplication(ResetRequest { partner, force: input.eat("force") }))
}

/// `DR TABLE {t [DISABLE] | *}`, from the table on.
fn table(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    if input.eat_sign(&Token::Mul) {
        return Ok(Stmt::DrTable(DrTables::All));
    }
    let table = input.parser.parse_object_name(false)?;
    Ok(Stmt::DrTable(DrTables::One { table, disable: input.eat("disable") }))
}

fn cluster(input: &mut Input<'_>) -> Result<Partner, Failure> {
    input.expect("cluster")?;
    match input.parser.peek_token_ref().token {
        Token::Number(..) => {
            let id = input.number()?;
            let id = u8::try_from(id).ok().filter(|id| *id < 128);
            id.map_or_else(
                || input.wrong("a cluster id from 0 to 127"),
                |id| Ok(Partner::Id(ClusterId(id))),
            )
        }
        Token::SingleQuotedString(_) => Ok(Partner::Named(input.string()?)),
        _ => Ok(Partner::Named(fold(&input.parser.parse_identifier()?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::parse;
    use base::SqlState;

    fn one(sql: &str) -> ResetRequest {
        match parse(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}")).remove(0).stmt {
            Stmt::ResetReplication(request) => request,
            other => panic!("{sql}: {other:?}"),
        }
    }

    #[test]
    fn both_ways_of_typing_it() {
        let request = |partner, force| ResetRequest { partner, force };
        let two = || Partner::Id(ClusterId(2));
        assert_eq!(one("RESET REPLICATION TO CLUSTER 2"), request(two(), false));
        assert_eq!(one("dr reset cluster 2 force;"), request(two(), true));
        assert_eq!(one("DR RESET ALL"), request(Partner::All, false));
        let west = || Partner::Named("west".into());
        assert_eq!(one("reset replication to cluster West FORCE"), request(west(), true));
        assert_eq!(one("reset replication to cluster 'west'"), request(west(), false));
        match parse("EXPLAIN DR RESET ALL FORCE").unwrap().remove(0).stmt {
            Stmt::Explain(inner) => {
                assert_eq!(*inner, Stmt::ResetReplication(request(Partner::All, true)));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        for sql in [
            "dr reset",
            "dr reset cluster",
            "dr reset cluster 128",
            "reset replication all",
            "reset replication to west",
            "dr reset all please",
            "dr drop",
            "dr table",
            "dr table votes enable",
            "dr table * disable",
        ] {
            assert_eq!(parse(sql).expect_err(sql).state, SqlState::SYNTAX_ERROR, "{sql}");
        }
    }

    #[test]
    fn tables_are_chosen_one_by_one_or_all() {
        let table = |sql: &str| match parse(sql).unwrap().remove(0).stmt {
            Stmt::DrTable(DrTables::One { table, disable }) => (table.to_string(), disable),
            other => panic!("{sql}: {other:?}"),
        };
        assert_eq!(table("DR TABLE votes"), ("votes".into(), false));
        assert_eq!(table("dr table public.votes disable;"), ("public.votes".into(), true));
        let all = parse("DR TABLE *; DR TABLE votes").unwrap();
        assert_eq!(all[0].stmt, Stmt::DrTable(DrTables::All));
        assert_eq!(all.len(), 2);
    }
}
