//! PostgreSQL's types: numbers, lengths, names.

use base::SqlType;

/// One type of `pg_type`.
pub(super) struct PgType {
    pub(super) oid: i64,
    /// In `pg_type`.
    pub(super) name: &'static str,
    /// In SQL.
    pub(super) sql: &'static str,
    pub(super) len: i64,
    pub(super) category: char,
    pub(super) array: i64,
    /// The element type of an array.
    pub(super) element: i64,
}

const fn base(
    oid: i64,
    name: &'static str,
    sql: &'static str,
    len: i64,
    category: char,
    array: i64,
) -> PgType {
    PgType { oid, name, sql, len, category, array, element: 0 }
}

const fn array(oid: i64, name: &'static str, sql: &'static str, element: i64) -> PgType {
    PgType { oid, name, sql, len: -1, category: 'A', array: 0, element }
}

/// The types that columns, catalogs and parameters can have.
pub(super) const TYPES: &[PgType] = &[
    base(16, "bool", "boolean", 1, 'B', 1000),
    base(17, "bytea", "bytea", -1, 'U', 1001),
    base(18, "char", "\"char\"", 1, 'Z', 1002),
    base(19, "name", "name", 64, 'S', 1003),
    base(20, "int8", "bigint", 8, 'N', 1016),
    base(21, "int2", "smallint", 2, 'N', 1005),
    base(23, "int4", "integer", 4, 'N', 1007),
    base(24, "regproc", "regproc", 4, 'N', 1008),
    base(25, "text", "text", -1, 'S', 1009),
    base(26, "oid", "oid", 4, 'N', 1028),
    base(114, "json", "json", -1, 'U', 199),
    base(700, "float4", "real", 4, 'N', 1021),
    base(701, "float8", "double precision", 8, 'N', 1022),
    base(705, "unknown", "unknown", -2, 'X', 0),
    base(1042, "bpchar", "character", -1, 'S', 1014),
    base(1043, "varchar", "character varying", -1, 'S', 1015),
    base(1082, "date", "date", 4, 'D', 1182),
    base(1083, "time", "time without time zone", 8, 'D', 1183),
    base(1114, "timestamp", "timestamp without time zone", 8, 'D', 1115),
    base(1184, "timestamptz", "timestamp with time zone", 8, 'D', 1185),
    base(1186, "interval", "interval", 16, 'T', 1187),
    base(1700, "numeric", "numeric", -1, 'N', 1231),
    base(2205, "regclass", "regclass", 4, 'N', 2210),
    base(2206, "regtype", "regtype", 4, 'N', 2211),
    base(2249, "record", "record", -1, 'P', 2287),
    base(2278, "void", "void", 4, 'P', 0),
    base(2950, "uuid", "uuid", 16, 'U', 2951),
    base(3802, "jsonb", "jsonb", -1, 'U', 3807),
    array(1000, "_bool", "boolean[]", 16),
    array(1001, "_bytea", "bytea[]", 17),
    array(1002, "_char", "\"char\"[]", 18),
    array(1003, "_name", "name[]", 19),
    array(1005, "_int2", "smallint[]", 21),
    array(1007, "_int4", "integer[]", 23),
    array(1009, "_text", "text[]", 25),
    array(1014, "_bpchar", "character[]", 1042),
    array(1015, "_varchar", "character varying[]", 1043),
    array(1016, "_int8", "bigint[]", 20),
    array(1021, "_float4", "real[]", 700),
    array(1022, "_float8", "double precision[]", 701),
    array(1028, "_oid", "oid[]", 26),
    array(1115, "_timestamp", "timestamp without time zone[]", 1114),
    array(1182, "_date", "date[]", 1082),
    array(1183, "_time", "time without time zone[]", 1083),
    array(1185, "_timestamptz", "timestamp with time zone[]", 1184),
    array(1231, "_numeric", "numeric[]", 1700),
    array(2951, "_uuid", "uuid[]", 2950),
    array(3807, "_jsonb", "jsonb[]", 3802),
];

/// The type with this number.
pub(super) fn by_oid(oid: i64) -> Option<&'static PgType> {
    TYPES.iter().find(|t| t.oid == oid)
}

/// The type with this name, in either form, or with these digits as its number.
pub(super) fn by_name(name: &str) -> Option<&'static PgType> {
    let name = name.trim().to_ascii_lowercase();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
    let name = match name {
        "int" => "integer",
        "float" => "double precision",
        "decimal" => "numeric",
        "timestamp" => "timestamp without time zone",
        "time" => "time without time zone",
        other => other,
    };
    let oid = name.parse::<i64>().ok();
    TYPES.iter().find(|t| t.sql == name || t.name == name || Some(t.oid) == oid)
}

/// The number of a column's type, and its modifier (length or precision).
pub(super) fn of(ty: SqlType) -> (i64, i64) {
    match ty {
        SqlType::Bool => (16, -1),
        SqlType::SmallInt => (21, -1),
        SqlType::Int => (23, -1),
        SqlType::BigInt => (20, -1),
        SqlType::Real => (700, -1),
        SqlType::Double => (701, -1),
        SqlType::Numeric { precision, scale } => {
            (1700, ((i64::from(precision) << 16) | i64::from(scale)) + 4)
        }
        SqlType::Text => (25, -1),
        SqlType::Varchar(n) => (1043, i64::from(n) + 4),
        SqlType::Char(n) => (1042, i64::from(n) + 4),
        SqlType::Bytea => (17, -1),
        SqlType::Date => (1082, -1),
        SqlType::Time => (1083, -1),
        SqlType::Timestamp => (1114, -1),
        SqlType::TimestampTz => (1184, -1),
        SqlType::Uuid => (2950, -1),
        SqlType::Jsonb => (3802, -1),
    }
}

/// What `format_type` says.
pub(super) fn format_type(oid: i64, modifier: Option<i64>) -> String {
    let Some(ty) = by_oid(oid) else { return "???".to_string() };
    match (oid, modifier) {
        (1700, Some(m)) if m >= 4 => {
            format!("numeric({},{})", ((m - 4) >> 16) & 0xffff, (m - 4) & 0xffff)
        }
        (1042 | 1043, Some(m)) if m >= 4 => format!("{}({})", ty.sql, m - 4),
        (1042, Some(_)) => "bpchar".to_string(),
        _ => ty.sql.to_string(),
    }
}
