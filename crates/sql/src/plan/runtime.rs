//! What all connections of a process share: functions, planner, query memory.

use super::{functions, operators};
use crate::error;
use crate::system::Activity;
use base::{Error, Result};
use datafusion::catalog::TableFunctionArgs;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::TreeNode;
use datafusion::datasource::provider_as_source;
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::execution::{FunctionRegistry, TaskContext};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, TableSource};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::prelude::SessionConfig;
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

/// Limits of query execution.
#[derive(Clone, Debug)]
pub struct RuntimeSettings {
    /// Bytes that all running queries together may use for sorting, joining and grouping.
    pub memory_bytes: usize,
    /// Parallel streams of one query.
    pub target_partitions: usize,
    /// Rows of a batch.
    pub batch_rows: usize,
}

impl Default for RuntimeSettings {
    fn default() -> RuntimeSettings {
        RuntimeSettings { memory_bytes: 1 << 30, target_partitions: 2, batch_rows: 8192 }
    }
}

/// The planner and its functions. Make one per process; executors share it.
pub struct Runtime {
    state: SessionState,
    activity: OnceLock<Activity>,
}

impl Runtime {
    /// Registers everything.
    pub fn new(settings: &RuntimeSettings) -> Result<Arc<Runtime>> {
        let pool = FairSpillPool::new(settings.memory_bytes);
        let pool = TrackConsumersPool::new(pool, NonZeroUsize::MIN);
        let env = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(pool))
            .build_arc()
            .map_err(error::datafusion)?;
        let mut builder = SessionStateBuilder::new()
            .with_config(config(settings))
            .with_runtime_env(env)
            .with_default_features()
            .with_physical_optimizer_rules(super::joins::rules(settings.memory_bytes));
        if let Some(planners) = builder.expr_planners() {
            planners.insert(0, Arc::new(operators::Literals));
        }
        let mut state = builder.build();
        let own = functions::all().into_iter().chain([super::arithmetic::modulo()]);
        for function in own.chain(crate::sequence::functions()) {
            state.register_udf(Arc::new(function)).map_err(error::datafusion)?;
        }
        if let Ok(uuid) = state.udf("uuid") {
            let named = uuid.as_ref().clone().with_aliases(["gen_random_uuid"]);
            state.register_udf(Arc::new(named)).map_err(error::datafusion)?;
        }
        state
            .register_function_rewrite(Arc::new(super::arithmetic::Checked::new()))
            .map_err(error::datafusion)?;
        Ok(Arc::new(Runtime { state, activity: OnceLock::new() }))
    }

    /// Says who can tell of all connections. Only the first one is asked.
    pub fn set_activity(&self, activity: Activity) {
        let _ = self.activity.set(activity);
    }

    pub(crate) fn activity(&self) -> Option<Activity> {
        self.activity.get().cloned()
    }

    /// The planner's state.
    pub fn state(&self) -> &SessionState {
        &self.state
    }

    /// A task that reads a snapshot.
    pub fn task(&self, view: txn::ReadView) -> Arc<TaskContext> {
        let config =
            self.state.config().clone().with_extension(Arc::new(crate::scan::Snapshot(view)));
        let context = TaskContext::from(&self.state).with_session_config(config);
        Arc::new(context)
    }

    /// Makes an expression executable, by the same steps as the expressions of a plan.
    pub fn physical_expr(
        &self,
        e: Expr,
        schema: &DFSchema,
    ) -> datafusion::common::Result<Arc<dyn PhysicalExpr>> {
        let options = self.state.config_options();
        let context = SimplifyContext::builder()
            .with_schema(Arc::new(schema.clone()))
            .with_config_options(options.clone());
        let simplifier = ExprSimplifier::new(context.build());
        let mut e = e;
        // Overflow checks come before constants are folded, which would wrap around.
        for rewrite in self.state.analyzer().function_rewrites() {
            e = e.transform_up(|e| rewrite.rewrite(e, schema, options))?.data;
        }
        let e = simplifier.simplify(simplifier.coerce(e, schema)?)?;
        self.state.create_physical_expr(e, schema)
    }

    /// A table function's result (`generate_series` …).
    pub fn table_function(
        &self,
        name: &str,
        args: Vec<Expr>,
    ) -> datafusion::common::Result<Arc<dyn TableSource>> {
        let function = self.state.table_functions().get(name).ok_or_else(|| {
            error::wrap(Error::new(
                base::SqlState::UNDEFINED_FUNCTION,
                format!("function {name} does not exist"),
            ))
        })?;
        let context =
            SimplifyContext::builder().with_config_options(self.state.config_options().clone());
        let simplifier = ExprSimplifier::new(context.build());
        let args = args
            .into_iter()
            .map(|e| simplifier.simplify(e))
            .collect::<datafusion::common::Result<Vec<_>>>()?;
        let provider =
            function.create_table_provider_with_args(TableFunctionArgs::new(&args, &self.state))?;
        Ok(provider_as_source(provider))
    }
}

fn config(settings: &RuntimeSettings) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(settings.target_partitions)
        .with_batch_size(settings.batch_rows)
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false)
        .with_collect_statistics(false);
    let options = config.options_mut();
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.default_null_ordering = "nulls_max".into();
    options.sql_parser.parse_float_as_decimal = true;
    options.execution.time_zone = Some("+00:00".into());
    // What each sort sets aside for merging what it has written down; several run in one query.
    let aside = settings.memory_bytes / (16 * settings.target_partitions.max(1));
    options.execution.sort_spill_reservation_bytes = aside.min(10 << 20);
    options.execution.skip_physical_aggregate_schema_check = true;
    config
}
