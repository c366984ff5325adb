//! Which paths commits change, by the commit-graph's filters.

/// The filters of a commit-graph.
pub(crate) struct Filters;

impl Filters {
    /// Opens them.
    pub(crate) fn open(_graph: &gix_commitgraph::Graph) -> Option<Self> {
        None
    }
}
