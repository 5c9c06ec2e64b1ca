//! The scan itself: partitions of the database dealt out to DataFusion's partitions.

use super::bounds::Bounds;
use super::fetch::fetch;
use super::index::IndexBounds;
use crate::error;
use crate::shape::Shape;
use ::arrow::array::{RecordBatch, RecordBatchOptions};
use ::arrow::datatypes::{Schema, SchemaRef};
use base::Timestamp;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
    ReplaceChildrenOptions,
};
use format::ColumnLayout;
use futures::{StreamExt, TryStreamExt};
use state::ScanSpec;
use std::fmt;
use std::sync::Arc;
use txn::ReadView;

/// The snapshot a task reads, in its session configuration.
pub struct Snapshot(pub ReadView);

/// A scan of some columns of a table within bounds.
#[derive(Clone, Debug)]
pub struct ScanExec {
    shape: Arc<Shape>,
    /// Positions of the columns produced; may be empty (`count(*)`).
    columns: Vec<usize>,
    bounds: Bounds,
    /// The entries to go through, instead of all keys within the bounds.
    index: Option<IndexBounds>,
    limit: Option<usize>,
    /// Which partitions each task visits.
    groups: Vec<Vec<u16>>,
    properties: Arc<PlanProperties>,
    /// About what comes of all partitions.
    known: Arc<Statistics>,
}

impl ScanExec {
    /// A scan in at most `tasks` parallel streams.
    pub fn new(
        shape: Arc<Shape>,
        columns: Vec<usize>,
        bounds: Bounds,
        index: Option<IndexBounds>,
        limit: Option<usize>,
        tasks: usize,
    ) -> Result<ScanExec> {
        let fields: Vec<_> = columns.iter().map(|i| shape.schema.fields()[*i].clone()).collect();
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let only = bounds.partition.or(index.as_ref().and_then(|i| i.partition));
        let empty = bounds.empty || index.as_ref().is_some_and(|i| i.ranges.is_empty());
        let partitions: Vec<u16> = match (empty, only) {
            (true, _) => Vec::new(),
            (false, Some(p)) => vec![p],
            (false, None) => (0..shape.partitions).collect(),
        };
        let tasks = tasks.clamp(1, partitions.len().max(1));
        let mut groups = vec![Vec::new(); tasks];
        for (i, p) in partitions.into_iter().enumerate() {
            groups[i % tasks].push(p);
        }
        let known = Arc::new(Statistics::new_unknown(&schema));
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(groups.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        Ok(ScanExec { shape, columns, bounds, index, limit, groups, properties, known })
    }

    /// With estimates of what it gives.
    pub fn knowing(mut self, mut known: Statistics) -> ScanExec {
        if let (Some(limit), Some(rows)) = (self.limit, known.num_rows.get_value()) {
            known.num_rows = Precision::Inexact(limit.min(*rows));
        }
        self.known = Arc::new(known);
        self
    }

    fn spec(&self, ts: Timestamp, batch_rows: usize) -> ScanSpec {
        // Without columns the rows still have to be counted: read the first key column for that.
        let first_key = self.shape.key.first().copied().unwrap_or(0);
        let read = if self.columns.is_empty() { &[first_key][..] } else { &self.columns };
        let columns =
            read.iter().map(|i| ColumnLayout::from(&self.shape.table.columns[*i])).collect();
        ScanSpec {
            storage: self.shape.table.storage,
            start: self.bounds.start.clone(),
            end: self.bounds.end.clone(),
            ts,
            columns,
            with_key: false,
            batch_rows,
            limit: self.limit,
        }
    }
}

impl ScanExec {
    fn names(&self, columns: &[usize]) -> String {
        let name = |i: &usize| self.shape.table.columns[*i].name.as_str();
        columns.iter().map(name).collect::<Vec<_>>().join(", ")
    }

    fn show_index(&self, bounds: &IndexBounds, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = &self.shape.indexes[bounds.at];
        let (equal, rest) = index.columns.split_at(bounds.equal);
        write!(f, ", equal=[{}]", self.names(equal))?;
        match (bounds.ranged, bounds.ranges.len()) {
            (true, 1) => write!(f, ", range=[{}]", self.names(&rest[..1])),
            (true, n) => write!(f, ", values of {}={n}", self.names(&rest[..1])),
            (false, _) => Ok(()),
        }
    }
}

impl DisplayAs for ScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: table={}", self.name(), self.shape.table.name)?;
        if let Some(bounds) = &self.index {
            write!(f, ", index={}", self.shape.indexes[bounds.at].index.name)?;
        }
        write!(f, ", columns=[{}]", self.names(&self.columns))?;
        match self.bounds.partition.or(self.index.as_ref().and_then(|i| i.partition)) {
            Some(p) => write!(f, ", partition={p}")?,
            None => write!(f, ", partitions={}", self.shape.partitions)?,
        }
        if let Some(bounds) = &self.index {
            return self.show_index(bounds, f);
        }
        if self.bounds.empty {
            write!(f, ", keys=none")?;
        } else if self.bounds != Bounds::all(&self.shape) {
            write!(f, ", keys=range")?;
        }
        match self.limit {
            Some(n) => write!(f, ", limit={n}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for ScanExec {
    fn name(&self) -> &'static str {
        if self.index.is_some() { "IndexScanExec" } else { "ScanExec" }
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        Ok(match args.partition() {
            None => self.known.clone(),
            Some(_) => Arc::new(Statistics::new_unknown(self.properties.eq_properties.schema())),
        })
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let snapshot = context.session_config().get_extension::<Snapshot>().ok_or_else(|| {
            DataFusionError::Internal("a scan was started without a snapshot".into())
        })?;
        let view = snapshot.0.clone();
        let spec = self.spec(view.read_ts(), context.session_config().batch_size());
        let group = self.groups.get(partition).cloned().unwrap_or_default();
        let schema = self.properties.eq_properties.schema().clone();
        let (target, nothing) = (schema.clone(), self.columns.is_empty());
        let (shape, index) = (self.shape.clone(), self.index.clone());
        let stream = futures::stream::iter(group)
            .then(move |p| {
                let (view, spec) = (view.clone(), spec.clone());
                let (shape, index) = (shape.clone(), index.clone());
                async move {
                    match index {
                        Some(index) => fetch(view, p, &shape, &index, spec).await,
                        None => view.scan(p, spec).await,
                    }
                }
            })
            .try_flatten()
            .map(move |batch| shaped(batch.map_err(error::wrap)?, &target, nothing));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }
}

/// Gives a batch the plan's schema (names, metadata), and drops the column read only for counting.
fn shaped(batch: RecordBatch, schema: &SchemaRef, nothing: bool) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = if nothing { Vec::new() } else { batch.columns().to_vec() };
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}
