//! Joins of which neither side fits into memory: DataFusion's hash join keeps one side there and
//! cannot write it down, its merge join sorts both, and sorts can.

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::logical_expr::JoinType;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::{HashJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use std::sync::Arc;

/// What a row costs in a hash table beside its bytes.
const ROW_BYTES: usize = 24;
/// A side may take this part of what all queries have.
const SHARE: usize = 4;

/// The rules of DataFusion, with the choice of the kind of join after that of its sides.
pub(super) fn rules(memory_bytes: usize) -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    let after =
        rules.iter().position(|rule| rule.name() == "join_selection").map_or(0, |at| at + 1);
    rules.insert(after, Arc::new(LargeJoins { most: memory_bytes / SHARE }));
    rules
}

/// Merges where a hash table would take too much.
#[derive(Debug)]
struct LargeJoins {
    /// Bytes that one hash table may take.
    most: usize,
}

impl PhysicalOptimizerRule for LargeJoins {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| match plan.downcast_ref::<HashJoinExec>() {
            Some(join) if self.is_large(join)? => merge(join).map(Transformed::yes),
            _ => Ok(Transformed::no(plan)),
        })
        .data()
    }

    fn name(&self) -> &str {
        "large_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

impl LargeJoins {
    fn is_large(&self, join: &HashJoinExec) -> Result<bool> {
        let merges = match join.join_type() {
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => true,
            JoinType::LeftSemi | JoinType::LeftAnti => true,
            JoinType::RightSemi | JoinType::RightAnti => true,
            JoinType::LeftMark | JoinType::RightMark => false,
        };
        if !merges || join.null_aware {
            return Ok(false);
        }
        let kept = StatisticsContext::new().compute(&**join.left(), &StatisticsArgs::new())?;
        let rows = kept.num_rows.get_value().copied().unwrap_or(0);
        let bytes = kept.total_byte_size.get_value().copied().unwrap_or(0);
        Ok(bytes.saturating_add(rows.saturating_mul(ROW_BYTES)) > self.most)
    }
}

fn merge(join: &HashJoinExec) -> Result<Arc<dyn ExecutionPlan>> {
    let merged: Arc<dyn ExecutionPlan> = Arc::new(SortMergeJoinExec::try_new(
        join.left().clone(),
        join.right().clone(),
        join.on().to_vec(),
        join.filter().cloned(),
        *join.join_type(),
        vec![Default::default(); join.on().len()],
        join.null_equality(),
    )?);
    let Some(shown) = &join.projection else { return Ok(merged) };
    let schema = merged.schema();
    let columns = shown.iter().map(|i| {
        let name = schema.field(*i).name();
        let column = datafusion::physical_expr::expressions::Column::new(name, *i);
        datafusion::physical_plan::projection::ProjectionExpr {
            expr: Arc::new(column),
            alias: name.clone(),
        }
    });
    Ok(Arc::new(ProjectionExec::try_new(columns.collect::<Vec<_>>(), merged)?))
}
