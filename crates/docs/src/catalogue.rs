//! The catalogue: what is indexed, held in memory, and the snapshot a call answers from.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tantivy::collector::DocSetCollector;
use tantivy::query::{BooleanQuery, Query, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{Searcher, TantivyDocument, TantivyError, Term};

use crate::index::{self, Fields};
use crate::page::Section;

/// What the index knows of a file without opening it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileRecord {
    /// The title.
    pub(crate) title: String,
    /// How many lines it has.
    pub(crate) lines: u32,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// When it was last changed, in nanoseconds since 1970; 0 where that cannot be relied on.
    pub(crate) changed: u64,
    /// The first 128 bits of the SHA-256 of its content, in hexadecimal.
    pub(crate) hash: String,
}

/// The files of a collection by path.
pub(crate) type Files = BTreeMap<String, FileRecord>;

/// All indexed files, by collection.
pub(crate) type Catalogue = BTreeMap<String, Files>;

/// One state of the index, complete in itself. A call answers from one snapshot only.
#[derive(Clone)]
pub(crate) struct Snapshot {
    /// Searches the documents.
    pub(crate) searcher: Searcher,
    /// The fields.
    pub(crate) fields: Fields,
    /// The files.
    pub(crate) catalogue: Arc<Catalogue>,
}

impl Snapshot {
    /// The record of a file.
    pub(crate) fn file(&self, collection: &str, path: &str) -> Option<&FileRecord> {
        self.catalogue.get(collection)?.get(path)
    }

    /// The outline of a file; empty where the file is unknown.
    pub(crate) fn outline(
        &self,
        collection: &str,
        path: &str,
    ) -> Result<Vec<Section>, TantivyError> {
        let file = index::file_term(&self.fields, collection, path);
        let listed = Term::from_field_u64(self.fields.listed, 1);
        let query = BooleanQuery::intersection(vec![exactly(file), exactly(listed)]);
        let found = self.searcher.search(&query, &DocSetCollector)?;
        let Some(address) = found.into_iter().next() else { return Ok(Vec::new()) };
        let document: TantivyDocument = self.searcher.doc(address)?;
        index::outline(&self.fields, &document)
            .map_err(|error| TantivyError::InternalError(error.to_string()))
    }
}

/// Reads the catalogue from the file documents.
pub(crate) fn load(searcher: &Searcher, fields: &Fields) -> Result<Catalogue, TantivyError> {
    let listed = exactly(Term::from_field_u64(fields.listed, 1));
    let mut addresses: Vec<_> = searcher.search(&listed, &DocSetCollector)?.into_iter().collect();
    // In the order of the store, so that each of its blocks is unpacked once.
    addresses.sort_unstable();
    let mut catalogue = Catalogue::new();
    for address in addresses {
        let document: TantivyDocument = searcher.doc(address)?;
        let text = |field| index::stored(&document, field);
        let record = serde_json::from_str(text(fields.record))
            .map_err(|error| TantivyError::InternalError(error.to_string()))?;
        let files = catalogue.entry(text(fields.collection).to_owned()).or_default();
        files.insert(text(fields.path).to_owned(), record);
    }
    Ok(catalogue)
}

/// The documents that hold a term, whatever they score.
pub(crate) fn exactly(term: Term) -> Box<dyn Query> {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}
