//! `GRANT` and `REVOKE`.

use super::super::Stmt;
use super::super::error::Failure;
use super::super::input::Input;
use super::{Grant, Objects, Rights, RoleName, names, object_names, role, roles, stmt};
use base::{Error, Privileges, SqlState};
use datafusion::sql::sqlparser::tokenizer::Token;

/// `GRANT …` and `REVOKE …`
pub(in crate::statement) fn grant(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    let revoke = input.eat("revoke");
    if !revoke {
        input.expect("grant")?;
    }
    let mut option = revoke && input.eat_all(&["grant", "option", "for"]);
    let mut admin = revoke && input.eat_all(&["admin", "option", "for"]);
    let given = privileges(input)?;
    if !input.eat("on") {
        let to_or_from = if revoke { "from" } else { "to" };
        if !input.eat(to_or_from) {
            return input.wrong(if revoke { "ON or FROM" } else { "ON or TO" });
        }
        let members = roles(input)?;
        let roles = given.roles()?;
        admin |= !revoke && admin_option(input)?;
        granted_by(input)?;
        let _ = input.eat("cascade") || input.eat("restrict");
        return Ok(stmt(Rights::Membership { revoke, roles, members, admin }));
    }
    let privileges = given.privileges()?;
    let on = objects(input)?;
    input.expect(if revoke { "from" } else { "to" })?;
    let roles = roles(input)?;
    option |= !revoke && input.eat_all(&["with", "grant", "option"]);
    granted_by(input)?;
    let cascade = input.eat("cascade");
    input.eat("restrict");
    Ok(stmt(Rights::Grant(Grant { revoke, privileges, on, roles, option, cascade })))
}

/// `WITH ADMIN {OPTION|TRUE|FALSE}`
fn admin_option(input: &mut Input<'_>) -> Result<bool, Failure> {
    if !input.eat("with") {
        return Ok(false);
    }
    if input.at("inherit") || input.at("set") {
        let what = "WITH INHERIT or SET for a single membership";
        return Err(Failure::Final(Error::unsupported(what)));
    }
    input.expect("admin")?;
    if input.eat("option") || input.eat("true") {
        return Ok(true);
    }
    input.expect("false")?;
    Ok(false)
}

fn granted_by(input: &mut Input<'_>) -> Result<(), Failure> {
    if input.eat_all(&["granted", "by"]) && role(input)? != RoleName::Current {
        let error = Error::new(SqlState::FEATURE_NOT_SUPPORTED, "grantor must be current user");
        return Err(Failure::Final(error));
    }
    Ok(())
}

/// What stands before `ON`, `TO` or `FROM`: words that may be privileges or roles.
enum Given {
    All,
    Words(Vec<(String, RoleName)>),
}

fn privileges(input: &mut Input<'_>) -> Result<Given, Failure> {
    if input.eat("all") {
        input.eat("privileges");
        return columns(input).map(|()| Given::All);
    }
    let mut words = Vec::new();
    loop {
        let word = input.word(0);
        words.push((word, role(input)?));
        columns(input)?;
        if !input.eat_sign(&Token::Comma) {
            return Ok(Given::Words(words));
        }
    }
}

fn columns(input: &Input<'_>) -> Result<(), Failure> {
    if input.parser.peek_token_ref().token == Token::LParen {
        return Err(Failure::Final(Error::unsupported("privileges on single columns")));
    }
    Ok(())
}

impl Given {
    fn privileges(self) -> Result<Option<Privileges>, Failure> {
        let Given::Words(words) = self else { return Ok(None) };
        let mut all = Privileges::NONE;
        for (word, _) in words {
            match Privileges::named(&word) {
                Some(one) => all = all.with(one),
                None if matches!(word.as_str(), "execute" | "set" | "maintain") => {
                    let what = format!("the privilege {}", word.to_ascii_uppercase());
                    return Err(Failure::Final(Error::unsupported(what)));
                }
                None => {
                    let message = format!("unrecognized privilege type \"{word}\"");
                    return Err(Failure::Final(Error::new(SqlState::SYNTAX_ERROR, message)));
                }
            }
        }
        Ok(Some(all))
    }

    fn roles(self) -> Result<Vec<RoleName>, Failure> {
        match self {
            Given::Words(words) => Ok(words.into_iter().map(|(_, role)| role).collect()),
            Given::All => {
                let message = "ALL is not a role";
                Err(Failure::Final(Error::new(SqlState::SYNTAX_ERROR, message)))
            }
        }
    }
}

fn objects(input: &mut Input<'_>) -> Result<Objects, Failure> {
    if input.at("all") {
        input.expect("all")?;
        let sequences = input.eat("sequences");
        if !sequences && !input.eat("tables") {
            let what = "this form of GRANT … ON ALL";
            return Err(Failure::Final(Error::unsupported(what)));
        }
        input.expect_all(&["in", "schema"])?;
        return Ok(Objects::All { sequences, schemas: names(input)? });
    }
    for word in [
        "function",
        "procedure",
        "routine",
        "language",
        "tablespace",
        "type",
        "domain",
        "foreign",
        "large",
        "parameter",
    ] {
        if input.at(word) && input.word(1) != "to" && input.word(1) != "from" {
            let what = format!("privileges on a {word}");
            return Err(Failure::Final(Error::unsupported(what)));
        }
    }
    Ok(if input.eat("database") {
        Objects::Databases(names(input)?)
    } else if input.eat("schema") {
        Objects::Schemas(names(input)?)
    } else if input.eat("sequence") {
        Objects::Sequences(object_names(input)?)
    } else {
        input.eat("table");
        Objects::Tables(object_names(input)?)
    })
}
