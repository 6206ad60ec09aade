//! The documents of a query's whole result, one after the other: what an export writes.

use std::sync::Arc;

use super::{Library, LibraryError};
use crate::ends::Ends;
use crate::index::{Filters, Walk};
use crate::name::Name;
use crate::views;

/// Current versions of the works that match, by name. A work with concurrent versions comes with each of them.
pub struct Documents<'a> {
    library: &'a Library,
    works: Walk,
    concurrent: Vec<Name>,
}

impl Library {
    /// The same as of its frontier, whose digest then names what is answered: what is appended to a log later is left out.
    pub fn held_still(mut self) -> Result<Library, LibraryError> {
        let logs = self.reader.log_numbers()?.into_iter().map(|(log, _)| (log, u64::MAX, 0));
        self.view.ends = Arc::new(Ends::of(&self.view.frontier, logs));
        Ok(self)
    }

    /// All documents that match, withdrawn ones too, for whoever has taken one away before. Works of which nothing may be shown, or
    /// nothing is here any more, are passed over.
    pub fn documents(&self, query: &str, filters: &Filters) -> Result<Documents<'_>, LibraryError> {
        let filters = &Filters { withdrawn: true, ..filters.clone() };
        Ok(Documents { library: self, works: self.searcher.walk(query, filters)?, concurrent: Vec::new() })
    }
}

impl Documents<'_> {
    /// How many works match.
    pub fn total(&self) -> u64 {
        self.works.total()
    }

    fn read(&mut self, name: &Name) -> Option<Result<views::Document, LibraryError>> {
        match self.library.document(name) {
            Ok(document) => Some(Ok(document)),
            Err(error @ (LibraryError::Store(_) | LibraryError::Index(_))) => Some(Err(error)),
            Err(_) => None,
        }
    }
}

impl Iterator for Documents<'_> {
    type Item = Result<views::Document, LibraryError>;

    fn next(&mut self) -> Option<Result<views::Document, LibraryError>> {
        loop {
            if let Some(name) = self.concurrent.pop() {
                match self.read(&name) {
                    Some(read) => return Some(read),
                    None => continue,
                }
            }
            let work = match self.works.next()? {
                Ok(work) => work,
                Err(error) => return Some(Err(error.into())),
            };
            let Some(read) = self.read(&Name { work, version: None, digest: None }) else { continue };
            if let Ok(document) = &read {
                let others = document.versions.iter().filter(|version| version.current);
                let others = others.filter(|version| version.digest != document.provenance.digest).rev();
                self.concurrent.extend(others.map(|version| Name {
                    work: document.work.clone(),
                    version: Some(version.version),
                    digest: Some(version.digest.clone()),
                }));
            }
            return Some(read);
        }
    }
}
