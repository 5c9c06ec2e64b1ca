//! PostgreSQL's type numbers for ours, and back.

use base::SqlType;

/// How PostgreSQL names a type on the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct WireType {
    pub(crate) oid: u32,
    /// Bytes of the binary form; -1 if it varies.
    pub(crate) len: i16,
    /// Length of `varchar(n)`, digits of `numeric(p,s)`; -1 for none.
    pub(crate) modifier: i32,
}

pub(crate) const JSON: u32 = 114;
const UNKNOWN: u32 = 705;

/// The wire's word for a type.
pub(crate) fn wire_type(ty: SqlType) -> WireType {
    let (oid, len, modifier) = match ty {
        SqlType::Bool => (16, 1, -1),
        SqlType::SmallInt => (21, 2, -1),
        SqlType::Int => (23, 4, -1),
        SqlType::BigInt => (20, 8, -1),
        SqlType::Real => (700, 4, -1),
        SqlType::Double => (701, 8, -1),
        SqlType::Numeric { precision, scale } => {
            (1700, -1, ((i32::from(precision) << 16) | i32::from(scale)) + 4)
        }
        SqlType::Text => (25, -1, -1),
        SqlType::Varchar(n) => (1043, -1, limit(n)),
        SqlType::Char(n) => (1042, -1, limit(n)),
        SqlType::Bytea => (17, -1, -1),
        SqlType::Date => (1082, 4, -1),
        SqlType::Time => (1083, 8, -1),
        SqlType::Timestamp => (1114, 8, -1),
        SqlType::TimestampTz => (1184, 8, -1),
        SqlType::Uuid => (2950, 16, -1),
        SqlType::Jsonb => (3802, -1, -1),
    };
    WireType { oid, len, modifier }
}

fn limit(n: u32) -> i32 {
    i32::try_from(n).map_or(-1, |n| n.saturating_add(4))
}

/// The type a client means by a parameter's number; `None` if it leaves it to us (0, `unknown`) or
/// names a type that does not exist here, so that the place decides.
pub(crate) fn parameter_type(oid: u32) -> Option<SqlType> {
    Some(match oid {
        16 => SqlType::Bool,
        21 => SqlType::SmallInt,
        23 => SqlType::Int,
        20 | 26 => SqlType::BigInt,
        700 => SqlType::Real,
        701 => SqlType::Double,
        1700 => SqlType::Numeric { precision: 38, scale: 10 },
        18 | 19 | 25 | 1042 | 1043 => SqlType::Text,
        17 => SqlType::Bytea,
        1082 => SqlType::Date,
        1083 => SqlType::Time,
        1114 => SqlType::Timestamp,
        1184 => SqlType::TimestampTz,
        2950 => SqlType::Uuid,
        JSON | 3802 => SqlType::Jsonb,
        _ => return None,
    })
}

/// True if the client left the type to us.
pub(crate) fn is_open(oid: u32) -> bool {
    oid == 0 || oid == UNKNOWN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lengths_and_modifiers_are_postgresqls() {
        let wire = |ty| {
            let t = wire_type(ty);
            (t.oid, t.len, t.modifier)
        };
        assert_eq!(wire(SqlType::Varchar(20)), (1043, -1, 24));
        assert_eq!(wire(SqlType::Char(84)), (1042, -1, 88));
        assert_eq!(wire(SqlType::Numeric { precision: 10, scale: 2 }), (1700, -1, 655_366));
        assert_eq!(wire(SqlType::Int), (23, 4, -1));
    }
}
