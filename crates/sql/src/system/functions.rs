//! The functions of `pg_catalog`, over the facts of one statement.

pub(super) mod answers;
mod call;
mod rights;

use super::source::Facts;
use call::{Call, Result as CallResult};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::logical_expr::ScalarUDF;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Takes the facts and the arguments of one row.
type Answer = fn(&Facts, &call::Args<'_>) -> CallResult;

/// The Arrow type of a result.
#[derive(Clone, Copy)]
enum Returns {
    Text,
    Int,
    Bool,
    Texts,
}

impl Returns {
    fn arrow(self) -> DataType {
        match self {
            Returns::Text => DataType::Utf8,
            Returns::Int => DataType::Int64,
            Returns::Bool => DataType::Boolean,
            Returns::Texts => DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))),
        }
    }
}

/// Every function: name, result, answer. Sorted by name.
const ALL: &[(&str, Returns, Answer)] = &[
    ("col_description", Returns::Text, answers::null),
    ("current_schemas", Returns::Texts, answers::current_schemas),
    ("current_setting", Returns::Text, answers::current_setting),
    ("format_type", Returns::Text, answers::format_type),
    ("has_any_column_privilege", Returns::Bool, rights::any_column),
    ("has_column_privilege", Returns::Bool, rights::column),
    ("has_database_privilege", Returns::Bool, rights::database),
    ("has_function_privilege", Returns::Bool, answers::yes),
    ("has_schema_privilege", Returns::Bool, rights::schema),
    ("has_sequence_privilege", Returns::Bool, rights::sequence),
    ("has_table_privilege", Returns::Bool, rights::table),
    ("obj_description", Returns::Text, answers::null),
    ("pg_client_encoding", Returns::Text, answers::utf8),
    ("pg_collation_is_visible", Returns::Bool, answers::yes),
    ("pg_database_size", Returns::Int, answers::database_size),
    ("pg_encoding_to_char", Returns::Text, answers::utf8),
    ("pg_function_is_visible", Returns::Bool, answers::yes),
    ("pg_get_constraintdef", Returns::Text, answers::constraint_definition),
    ("pg_get_expr", Returns::Text, answers::expression),
    ("pg_get_function_arguments", Returns::Text, answers::null),
    ("pg_get_function_identity_arguments", Returns::Text, answers::null),
    ("pg_get_function_result", Returns::Text, answers::null),
    ("pg_get_indexdef", Returns::Text, answers::index_definition),
    ("pg_get_partkeydef", Returns::Text, answers::null),
    ("pg_get_ruledef", Returns::Text, answers::null),
    ("pg_get_serial_sequence", Returns::Text, answers::serial_sequence),
    ("pg_get_statisticsobjdef_columns", Returns::Text, answers::null),
    ("pg_get_triggerdef", Returns::Text, answers::null),
    ("pg_get_userbyid", Returns::Text, answers::user_name),
    ("pg_get_viewdef", Returns::Text, answers::null),
    ("pg_has_role", Returns::Bool, rights::role),
    ("pg_indexes_size", Returns::Int, answers::zero),
    ("pg_my_temp_schema", Returns::Int, answers::zero),
    ("pg_opclass_is_visible", Returns::Bool, answers::yes),
    ("pg_operator_is_visible", Returns::Bool, answers::yes),
    ("pg_relation_is_publishable", Returns::Bool, answers::no),
    ("pg_relation_size", Returns::Int, answers::relation_size),
    ("pg_size_pretty", Returns::Text, answers::size_pretty),
    ("pg_table_is_visible", Returns::Bool, answers::table_is_visible),
    ("pg_table_size", Returns::Int, answers::relation_size),
    ("pg_tablespace_location", Returns::Text, answers::empty),
    ("pg_total_relation_size", Returns::Int, answers::relation_size),
    ("pg_ts_config_is_visible", Returns::Bool, answers::yes),
    ("pg_ts_dict_is_visible", Returns::Bool, answers::yes),
    ("pg_type_is_visible", Returns::Bool, answers::yes),
    ("quote_ident", Returns::Text, answers::quote_ident),
    ("quote_literal", Returns::Text, answers::quote_literal),
    ("set_config", Returns::Text, answers::second),
    ("shobj_description", Returns::Text, answers::null),
    ("system_regclass_in", Returns::Int, answers::regclass_in),
    ("system_regclass_out", Returns::Text, answers::regclass_out),
    ("system_regnamespace_in", Returns::Int, answers::regnamespace_in),
    ("system_regnamespace_out", Returns::Text, answers::regnamespace_out),
    ("system_regproc_in", Returns::Int, answers::regproc_in),
    ("system_regproc_out", Returns::Text, answers::first),
    ("system_regrole_in", Returns::Int, answers::regrole_in),
    ("system_regrole_out", Returns::Text, answers::user_name),
    ("system_regtype_in", Returns::Int, answers::regtype_in),
    ("system_regtype_out", Returns::Text, answers::format_type),
    ("system_roles_of", Returns::Text, rights::groups),
    ("to_regclass", Returns::Text, answers::to_regclass),
    ("to_regnamespace", Returns::Text, answers::to_regnamespace),
    ("to_regtype", Returns::Text, answers::to_regtype),
];

/// True for the name of a function here.
pub(super) fn is_known(name: &str) -> bool {
    ALL.binary_search_by(|(known, _, _)| (*known).cmp(name)).is_ok()
}

/// All functions by name.
pub(super) fn all(facts: &Arc<Facts>) -> BTreeMap<String, Arc<ScalarUDF>> {
    let make = |(name, returns, answer): &(&'static str, Returns, Answer)| {
        let udf = ScalarUDF::from(Call::new(name, returns.arrow(), facts.clone(), *answer));
        (name.to_string(), Arc::new(udf))
    };
    ALL.iter().map(make).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn functions_are_sorted_by_name() {
        assert!(super::ALL.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(super::is_known("format_type") && !super::is_known("upper"));
    }
}
